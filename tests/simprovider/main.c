// SPDX-License-Identifier: MIT
/*
 * simprovider: a simulated AI provider. One process, one loop. This file puts the parts together
 * and takes them apart again; SIGTERM or SIGINT ends the loop.
 */
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "tests/simprovider/conn.h"
#include "tests/simprovider/server.h"

#define EXIT_USAGE 2

static void
on_signal(evutil_socket_t signal_number, short what, void *arg)
{
	(void)signal_number, (void)what;
	event_base_loopbreak(arg);
}

static void
raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static struct event_base *
new_base(void)
{
	struct event_config *config = event_config_new();
	struct event_base *base = NULL;

	if (config == NULL)
		return NULL;
	event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
	base = event_base_new_with_config(config);
	event_config_free(config);
	return base;
}

static int
init(struct sim *sim, const struct options *options, struct err *err)
{
	*sim = (struct sim){ .options = options, .seed = options->seed };
	sim->base = new_base();
	sim->scratch = malloc(SIM_SCRATCH_BYTES);
	if (sim->base == NULL || sim->scratch == NULL || wheel_init(&sim->wheel, sim->base) != 0 ||
	    ledger_init(&sim->ledger, options->ledger) != 0 ||
	    keep_init(&sim->keep, (size_t)options->keep) != 0)
		return err_set(err, "out of memory");
	struct script *script =
	    options->script != NULL
		? script_load(options->script, err)
		: script_parse((struct str){ script_builtin, strlen(script_builtin) }, err);

	if (script == NULL)
		return -1;
	if (server_use_script(sim, script, err) != 0) {
		script_unref(script);
		return -1;
	}
	return 0;
}

static void
fini(struct sim *sim)
{
	conn_close_all(sim);
	server_close(sim);
	script_unref(sim->script);
	ledger_fini(&sim->ledger);
	keep_fini(&sim->keep);
	text_free(&sim->page);
	free(sim->scratch);
	wheel_fini(&sim->wheel);
	if (sim->base != NULL)
		event_base_free(sim->base);
}

static int
serve(struct sim *sim, struct err *err)
{
	static const int signals[] = { SIGTERM, SIGINT };
	struct event *events[2];

	for (int i = 0; i < 2; i++) {
		events[i] = evsignal_new(sim->base, signals[i], on_signal, sim->base);
		if (events[i] != NULL)
			event_add(events[i], NULL);
	}
	int rc = server_open(sim, err);

	if (rc == 0)
		rc = server_announce(sim, err);
	if (rc == 0)
		event_base_dispatch(sim->base);
	for (int i = 0; i < 2; i++)
		if (events[i] != NULL)
			event_free(events[i]);
	return rc;
}

int
main(int argc, char **argv)
{
	struct options options;
	struct err err = { "" };
	static struct sim sim;

	switch (options_read(argc, argv, &options, &err)) {
	case OPTIONS_DONE: return 0;
	case OPTIONS_BAD:
		fprintf(stderr, "simprovider: %s\nTry --help.\n", err.msg);
		return EXIT_USAGE;
	case OPTIONS_RUN: break;
	}
	signal(SIGPIPE, SIG_IGN);
	raise_descriptor_limit();
	if (sodium_init() < 0)
		return 1;
	int rc = init(&sim, &options, &err);

	if (rc == 0)
		rc = serve(&sim, &err);
	if (rc != 0)
		fprintf(stderr, "simprovider: %s\n", err.msg);
	fini(&sim);
	libevent_global_shutdown();
	return rc != 0 ? 1 : 0;
}
