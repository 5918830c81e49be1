// SPDX-License-Identifier: MIT
/*
 * loadgen: the client side of tests and benchmarks. One process, one loop, loopback only. Exit
 * codes: 0 done, 1 not everything ended ok (--strict) or nothing could be run, 2 usage.
 */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "tests/load/run.h"
#include "tests/load/selftest.h"

static void
raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static int
run_with(const struct options *o, struct summary *summary, struct err *e)
{
	struct target target;
	struct request_template template;
	struct record_log log;
	struct run run = { .options = o,
		.target = &target,
		.template = &template,
		.log = &log,
		.summary = summary };
	int rc;

	if (target_parse(&target, o->url, e) < 0 ||
	    request_template_init(&template, o, &target, e) < 0 ||
	    record_log_open(&log, o->log_path, e) < 0)
		return -1;
	rc = run_all(&run, e);
	record_log_close(&log);
	request_template_free(&template);
	if (rc == 0 && log.dropped > 0)
		return err_set(e, "the log lost lines: disk or memory full");
	return rc;
}

static int
show(const struct options *o, const struct summary *summary)
{
	if (!o->json)
		summary_print(summary);
	else if (summary_print_json(summary) < 0)
		return 1;
	return o->strict && !summary_all_ok(summary) ? 1 : 0;
}

int
main(int argc, char **argv)
{
	struct options o;
	struct err e;
	struct summary *summary = calloc(1, sizeof(*summary));
	int code;

	if (summary == NULL || sodium_init() < 0)
		return 1;
	if (options_parse(&o, argc, argv, &e) < 0) {
		fprintf(stderr, "loadgen: %s (see loadgen --help)\n", e.msg);
		free(summary);
		return 2;
	}
	raise_descriptor_limit();
	if (o.help) {
		options_help();
		code = 0;
	} else if (o.self_test) {
		code = selftest_run() == 0 ? 0 : 1;
	} else if (run_with(&o, summary, &e) < 0) {
		fprintf(stderr, "loadgen: %s\n", e.msg);
		code = 1;
	} else {
		code = show(&o, summary);
	}
	free(summary);
	return code;
}
