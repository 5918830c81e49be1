// SPDX-License-Identifier: MIT
/*
 * Options of the command line: one table gives names, help and readers. Strings point into argv.
 */
#include "tests/simprovider/options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

static int
read_number(const char *value, uint64_t max, uint64_t *number)
{
	char *end;

	*number = strtoull(value, &end, 10);
	return value[0] < '0' || value[0] > '9' || *end != '\0' || *number > max ? -1 : 0;
}

static int
read_listen(struct options *o, const char *value)
{
	if (o->listen_count == OPTIONS_LISTEN_MAX)
		return -1;
	o->listen[o->listen_count++] = value;
	return 0;
}

static int
read_admin(struct options *o, const char *value)
{
	o->admin_listen = value;
	return 0;
}

static int
read_script(struct options *o, const char *value)
{
	o->script = value;
	return 0;
}

static int
read_kind(struct options *o, const char *value)
{
	o->kind = kind_find(value);
	return o->kind != NULL ? 0 : -1;
}

static int
read_seed(struct options *o, const char *value)
{
	return read_number(value, UINT64_MAX, &o->seed);
}

static int
read_key(struct options *o, const char *value)
{
	if (o->key_count == OPTIONS_KEYS_MAX)
		return -1;
	o->keys[o->key_count++] = value;
	return 0;
}

static int
read_ledger(struct options *o, const char *value)
{
	return read_number(value, 1000000000, &o->ledger);
}

static int
read_no_ledger(struct options *o, const char *value)
{
	(void)value;
	o->ledger = 0;
	return 0;
}

static int
read_keep(struct options *o, const char *value)
{
	return read_number(value, 100000, &o->keep);
}

static int
read_ready_fd(struct options *o, const char *value)
{
	uint64_t fd;

	if (read_number(value, 65535, &fd) != 0)
		return -1;
	o->ready_fd = (int)fd;
	return 0;
}

static int
read_port_file(struct options *o, const char *value)
{
	o->port_file = value;
	return 0;
}

static const struct {
	const char *name, *value;
	int (*read)(struct options *, const char *value);
	const char *help;
} table[] = {
	{ "listen", "ADDR", read_listen, "127.0.0.1:PORT or [::1]:PORT, port 0: any; repeatable" },
	{ "admin-listen", "ADDR", read_admin, "only /sim/..., served whatever the script says" },
	{ "script", "FILE", read_script, "how each model behaves; default: all answer quickly" },
	{ "kind", "KIND", read_kind, "openai (default), anthropic or gemini" },
	{ "seed", "N", read_seed, "of all chance, default 1" },
	{ "key", "KEY", read_key, "a key that is good; repeatable; default: any" },
	{ "ledger", "N", read_ledger, "attempts the ledger keeps, default 2000000" },
	{ "no-ledger", NULL, read_no_ledger, "keep sums only" },
	{ "keep", "N", read_keep, "requests kept as they came, default 0" },
	{ "ready-fd", "N", read_ready_fd, "write the ports there when ready, and close it" },
	{ "port-file", "FILE", read_port_file, "write the ports there when ready" },
};

#define OPTIONS (sizeof(table) / sizeof(table[0]))

enum { OPTION_HELP = OPTIONS, OPTION_VERSION, OPTION_FAULTS };

static void
print_help(void)
{
	puts("usage: simprovider --listen ADDR [--listen ADDR ...] [--script FILE] [OPTIONS]\n"
	     "A simulated AI provider for rehearsals and tests.\n");
	for (size_t i = 0; i < OPTIONS; i++) {
		char left[40];

		snprintf(left, sizeof(left), "--%s %s", table[i].name,
		    table[i].value != NULL ? table[i].value : "");
		printf("  %-22s %s\n", left, table[i].help);
	}
	puts("  --list-faults          the kinds of fault that a script may use\n"
	     "  --help, --version");
}

static void
fill_long_options(struct option *longs)
{
	for (size_t i = 0; i < OPTIONS; i++)
		longs[i] = (struct option){ table[i].name,
			table[i].value != NULL ? required_argument : no_argument, NULL, (int)i };
	longs[OPTION_HELP] = (struct option){ "help", no_argument, NULL, OPTION_HELP };
	longs[OPTION_VERSION] = (struct option){ "version", no_argument, NULL, OPTION_VERSION };
	longs[OPTION_FAULTS] = (struct option){ "list-faults", no_argument, NULL, OPTION_FAULTS };
	longs[OPTION_FAULTS + 1] = (struct option){ NULL, 0, NULL, 0 };
}

static enum options_result
answer(int option)
{
	if (option == OPTION_HELP)
		print_help();
	else if (option == OPTION_VERSION)
		puts("simprovider " GRAYD_VERSION);
	else
		fault_list();
	return OPTIONS_DONE;
}

static enum options_result
refuse(int option, struct err *err)
{
	const char *hint = table[option].read == read_kind ? " (openai, anthropic or gemini)" : "";

	err_set(err, "--%s: \"%s\" is not understood%s", table[option].name, optarg, hint);
	return OPTIONS_BAD;
}

enum options_result
options_read(int argc, char **argv, struct options *options, struct err *err)
{
	struct option longs[OPTION_FAULTS + 2];
	int option;

	*options =
	    (struct options){ .kind = &kind_openai, .seed = 1, .ledger = 2000000, .ready_fd = -1 };
	fill_long_options(longs);
	opterr = 0;
	while ((option = getopt_long(argc, argv, ":", longs, NULL)) != -1) {
		if (option == '?' || option == ':') {
			err_set(err, "%s: %s", argv[optind - 1],
			    option == ':' ? "a value is missing" : "no such option");
			return OPTIONS_BAD;
		}
		if (option >= OPTION_HELP)
			return answer(option);
		if (table[option].read(options, optarg) != 0)
			return refuse(option, err);
	}
	if (optind < argc || options->listen_count == 0) {
		err_set(err, optind < argc ? "%s: not an option" : "--listen ADDR is missing%s",
		    optind < argc ? argv[optind] : "");
		return OPTIONS_BAD;
	}
	return OPTIONS_RUN;
}
