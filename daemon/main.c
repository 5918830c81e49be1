// SPDX-License-Identifier: MIT
/*
 * grayd's command line. Before anything else the process makes itself unreadable for others: what
 * it reads next holds keys. Exit status: 0 done, 1 cannot start, 2 usage or config.
 */
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/config.h"
#include "common/keys.h"
#include "common/log.h"
#include "common/title.h"
#include "daemon/crash.h"
#include "daemon/master.h"
#include "daemon/notify.h"
#include "daemon/predecessor.h"
#include "daemon/privilege.h"

#define EXIT_USAGE     2
#define DEFAULT_CONFIG "/etc/grayd/grayd.json"

struct options {
	const char *path;
	bool check, print, verbose;
};

static const char usage[] =
    "usage: grayd [-c FILE] [-t] [-T] [-v] [-V] [-h]\n"
    "  -c FILE  the config (" DEFAULT_CONFIG ")\n"
    "  -t       check the config and exit\n"
    "  -T       print the config as understood and exit; needs no keys\n"
    "  -v       log more\n"
    "  -V       print the version and exit\n"
    "  -h       print this and exit\n"
    "TERM and INT stop grayd when all requests are finished, a second one at "
    "once;\nHUP reads the config again, USR1 opens the log file again, USR2 starts the new\n"
    "program in its place. To direct it: grayctl.\n";

static void
parse(int argc, char **argv, struct options *o)
{
	int letter;

	while ((letter = getopt(argc, argv, "c:tTvVh")) != -1) {
		switch (letter) {
		case 'c': o->path = optarg; break;
		case 't': o->check = true; break;
		case 'T': o->print = true; break;
		case 'v': o->verbose = true; break;
		case 'V': puts("grayd " GRAYD_VERSION); exit(EXIT_SUCCESS);
		case 'h': fputs(usage, stdout); exit(EXIT_SUCCESS);
		default: fputs(usage, stderr); exit(EXIT_USAGE);
		}
	}
	if (optind < argc) {
		fprintf(stderr, "grayd: unexpected argument \"%s\"\n%s", argv[optind], usage);
		exit(EXIT_USAGE);
	}
}

/* Where the program stands, for an upgrade: as it was called, since a link may lead to another
 * version by then; else where it is. NULL: out of memory. */
static char *
find_program(const char *called)
{
	char folder[4096], *path = NULL;
	ssize_t n;

	if (called[0] == '/')
		return strdup(called);
	if (strchr(called, '/') != NULL && getcwd(folder, sizeof(folder)) != NULL)
		return asprintf(&path, "%s/%s", folder, called) < 0 ? NULL : path;
	n = readlink("/proc/self/exe", folder, sizeof(folder) - 1);
	return n > 0 ? strndup(folder, (size_t)n) : strdup(called);
}

/* What the process needs before it opens or reads anything. */
static int
prepare(struct err *e)
{
	int fd;

	/* A descriptor of ours must not end up where others write their messages to. */
	do {
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd > STDERR_FILENO)
		close(fd);
	if (sodium_init() < 0)
		return err_set(e, "libsodium does not start");
	return privilege_harden(e);
}

static int
print(const struct config *c)
{
	char *text = config_print(c);

	if (text == NULL || puts(text) < 0 || fflush(stdout) != 0) {
		fputs("grayd: cannot print the config\n", stderr);
		free(text);
		return EXIT_FAILURE;
	}
	free(text);
	return EXIT_SUCCESS;
}

/* Takes the config over. */
static int
serve(struct config *c, const struct options *o, const struct master_options *m)
{
	struct err e;
	bool to_file;
	int status = EXIT_FAILURE;

	/* /proc/PID/environ is readable by whoever may read the process. */
	keys_scrub_environ();
	notify_open();
	if (o->verbose)
		c->log.level = LOG_DEBUG;
	crash_report("master");
	to_file = strcmp(c->log.file, "stderr") != 0;
	if (log_open(c->log.file, (enum log_level)c->log.level, &e) != 0) {
		predecessor_refuse(m->predecessor, e.msg);
		config_free(c);
	} else {
		status = master_run(c, m, &e);
		if (status != EXIT_SUCCESS && to_file)
			log_event(LOG_ERROR, "start_failed", "%s", e.msg);
	}
	if (status != EXIT_SUCCESS)
		fprintf(stderr, "grayd: %s\n", e.msg);
	return status;
}

/* All that is done with the command line's wishes. */
static int
run(const struct options *o, struct master_options *m)
{
	bool serves = !o->print && !o->check;
	struct config *c;
	struct err e;
	int status = EXIT_SUCCESS;

	m->verbose = o->verbose;
	if (serves && predecessor_meet(&m->predecessor, &e) != 0) {
		fprintf(stderr, "grayd: %s\n", e.msg);
		return EXIT_FAILURE;
	}
	c = config_load(o->path, o->print ? CONFIG_NO_SECRETS : 0, &e);
	if (c == NULL) {
		predecessor_refuse(m->predecessor, e.msg);
		fprintf(stderr, "grayd: %s\n", e.msg);
		return EXIT_USAGE;
	}
	if (serves)
		return serve(c, o, m);
	if (o->print)
		status = print(c);
	else
		printf("%s: OK\n", o->path);
	config_free(c);
	return status;
}

int
main(int argc, char **argv)
{
	struct options o = { .path = DEFAULT_CONFIG };
	struct master_options m = { .program = find_program(argv[0]) };
	struct err e;
	int status = EXIT_FAILURE;

	title_init(argc, argv);
	if (prepare(&e) == 0) {
		parse(argc, argv, &o);
		status = run(&o, &m);
	} else {
		fprintf(stderr, "grayd: %s\n", e.msg);
	}
	log_close();
	free(m.program);
	return status;
}
