// SPDX-License-Identifier: MIT
/* The option table and its reader; see options.h. */
#include "tests/load/options.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"

enum kind { KIND_FLAG, KIND_STRING, KIND_COUNT, KIND_SECONDS, KIND_MS, KIND_RATE, KIND_OTHER };

struct option {
	const char *name, *short_name;
	enum kind kind;
	size_t offset;
	uint64_t min, max; /* of a count, of seconds, of milliseconds */
	const char *argument, *help;
	int (*read)(struct options *o, const char *value, struct err *e); /* KIND_OTHER */
};

static int read_leave_when(struct options *o, const char *value, struct err *e);
static int read_leave_how(struct options *o, const char *value, struct err *e);
static int read_header(struct options *o, const char *value, struct err *e);
static int read_watch(struct options *o, const char *value, struct err *e);

#define PREFIX_MAX 64
#define AT(member) offsetof(struct options, member)

static const struct option options[] = {
	{ "url", "u", KIND_STRING, AT(url), 0, 0, "URL",
	    "http://HOST:PORT[/path] or unix:/path; loopback only", NULL },
	{ "path", NULL, KIND_STRING, AT(path), 0, 0, "PATH",
	    "request path where the URL names none", NULL },
	{ "connections", "c", KIND_COUNT, AT(connections), 1, 20000, "N",
	    "connections; with -r at most so many", NULL },
	{ "requests", "n", KIND_COUNT, AT(requests), 1, 100000000, "N", "stop after N requests",
	    NULL },
	{ "duration", "d", KIND_SECONDS, AT(duration_us), 0, 86400, "SECONDS",
	    "stop after so long (behind the warm-up)", NULL },
	{ "warmup", NULL, KIND_SECONDS, AT(warmup_us), 0, 3600, "SECONDS",
	    "before latency and --watch are measured", NULL },
	{ "rate", "r", KIND_RATE, AT(rate), 0, 0, "RATE", "open loop: requests a second", NULL },
	{ "poisson", NULL, KIND_FLAG, AT(poisson), 0, 0, NULL,
	    "random arrivals instead of even ones", NULL },
	{ "seed", NULL, KIND_COUNT, AT(seed), 1, UINT64_MAX, "N", "of the random arrivals", NULL },
	{ "streams", NULL, KIND_COUNT, AT(streams), 1, 20000, "N",
	    "keep N streams open, count events and gaps", NULL },
	{ "ramp-ms", NULL, KIND_MS, AT(ramp_us), 0, 600000, "MS",
	    "open the connections spread over so long", NULL },
	{ "timeout", NULL, KIND_SECONDS, AT(timeout_us), 0, 86400, "SECONDS", "for one request",
	    NULL },
	{ "drain", NULL, KIND_SECONDS, AT(drain_us), 0, 3600, "SECONDS",
	    "at the end, wait so long for answers", NULL },
	{ "close", NULL, KIND_FLAG, AT(close_each), 0, 0, NULL, "a connection for each request",
	    NULL },
	{ "model", "m", KIND_STRING, AT(model), 0, 0, "NAME", "model asked for", NULL },
	{ "body-bytes", "b", KIND_COUNT, AT(body_bytes), 0, 64 << 20, "N",
	    "pad the prompt so that the body has N bytes", NULL },
	{ "body-file", NULL, KIND_STRING, AT(body_file), 0, 0, "FILE", "send this body as it is",
	    NULL },
	{ "stream", "s", KIND_FLAG, AT(stream), 0, 0, NULL, "ask for a stream", NULL },
	{ "key-count", "k", KIND_COUNT, AT(key_count), 0, 100000000, "N",
	    "\"user\" in turn PREFIX0..PREFIX(N-1); 0: none", NULL },
	{ "key-prefix", NULL, KIND_STRING, AT(key_prefix), 0, 0, "PREFIX", "of those keys", NULL },
	{ "id-prefix", NULL, KIND_STRING, AT(id_prefix), 0, 0, "PREFIX",
	    "of x-request-id, a number follows", NULL },
	{ "header", "H", KIND_OTHER, 0, 0, 0, "'NAME: VALUE'", "one more request header",
	    read_header },
	{ "abort-after", NULL, KIND_OTHER, 0, 0, 0, "WHEN",
	    "leave: head-sent, sent, first-byte, chunks:N or ms:N", read_leave_when },
	{ "abort-how", NULL, KIND_OTHER, 0, 0, 0, "HOW",
	    "fin, rst, half (stop sending) or silent (stop reading)", read_leave_how },
	{ "abort-every", NULL, KIND_COUNT, AT(leave_every), 1, 1000000, "N",
	    "leave only each N-th request", NULL },
	{ "watch", "w", KIND_OTHER, 0, 0, 0, "PID", "measure this process (repeatable)",
	    read_watch },
	{ "log", "l", KIND_STRING, AT(log_path), 0, 0, "FILE",
	    "a line a request: CSV, or JSON if FILE ends in json", NULL },
	{ "json", "j", KIND_FLAG, AT(json), 0, 0, NULL, "the summary as JSON", NULL },
	{ "strict", NULL, KIND_FLAG, AT(strict), 0, 0, NULL, "exit 1 unless every request ended ok",
	    NULL },
	{ "self-test", NULL, KIND_FLAG, AT(self_test), 0, 0, NULL,
	    "check the reader of answers and exit", NULL },
	{ "help", "h", KIND_FLAG, AT(help), 0, 0, NULL, "this text", NULL },
};

#define N_OPTIONS (sizeof(options) / sizeof(options[0]))

static int
read_count(const char *value, uint64_t min, uint64_t max, uint64_t *out)
{
	char *end;
	unsigned long long n;

	if (value[0] < '0' || value[0] > '9')
		return -1;
	n = strtoull(value, &end, 10);
	if (*end != '\0' || n < min || n > max)
		return -1;
	*out = n;
	return 0;
}

static int
read_real(const char *value, double max, double *out)
{
	char *end;

	*out = strtod(value, &end);
	return end == value || *end != '\0' || !isfinite(*out) || *out < 0 || *out > max ? -1 : 0;
}

static int
read_leave_when(struct options *o, const char *value, struct err *e)
{
	static const struct {
		const char *word;
		enum leave_when when;
		bool counted;
	} words[] = {
		{ "head-sent", LEAVE_HEAD_SENT, false },
		{ "sent", LEAVE_SENT, false },
		{ "first-byte", LEAVE_FIRST_BYTE, false },
		{ "chunks:", LEAVE_CHUNKS, true },
		{ "ms:", LEAVE_MS, true },
	};
	size_t i, len;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		len = strlen(words[i].word);
		if (words[i].counted ? strncmp(value, words[i].word, len)
				     : strcmp(value, words[i].word))
			continue;
		o->leave_when = words[i].when;
		if (!words[i].counted || read_count(value + len, 0, 86400000, &o->leave_count) == 0)
			return 0;
	}
	return err_set(e,
	    "--abort-after: '%s': expected head-sent, sent, first-byte, chunks:N or ms:N", value);
}

static int
read_leave_how(struct options *o, const char *value, struct err *e)
{
	static const char *const words[] = { "fin", "rst", "half", "silent" };
	unsigned i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcmp(value, words[i]) == 0) {
			o->leave_how = (enum leave_how)i;
			return 0;
		}
	}
	return err_set(e, "--abort-how: '%s': expected fin, rst, half or silent", value);
}

static int
read_header(struct options *o, const char *value, struct err *e)
{
	if (o->n_headers == HEADERS_ADDED_MAX || strchr(value, ':') == NULL ||
	    strpbrk(value, "\r\n"))
		return err_set(
		    e, "--header: expected 'NAME: VALUE', at most %d of them", HEADERS_ADDED_MAX);
	o->headers[o->n_headers++] = value;
	return 0;
}

static int
read_watch(struct options *o, const char *value, struct err *e)
{
	uint64_t pid;

	if (o->n_watch == WATCH_MAX || read_count(value, 1, INT32_MAX, &pid) < 0)
		return err_set(e, "--watch: '%s': expected a process id, at most %d of them", value,
		    WATCH_MAX);
	o->watch[o->n_watch++] = (pid_t)pid;
	return 0;
}

/* The units of time in which a value is given, as microseconds. */
static int
read_time(const struct option *opt, const char *value, uint64_t *out)
{
	double unit = opt->kind == KIND_SECONDS ? US_PER_S : US_PER_MS, number;

	if (read_real(value, (double)opt->max, &number) < 0)
		return -1;
	*out = (uint64_t)(number * unit);
	return 0;
}

static int
set_value(struct options *o, const struct option *opt, const char *value, struct err *e)
{
	void *at = (char *)o + opt->offset;
	int rc = 0;

	switch (opt->kind) {
	case KIND_FLAG: *(bool *)at = true; break;
	case KIND_STRING: *(const char **)at = value; break;
	case KIND_COUNT: rc = read_count(value, opt->min, opt->max, at); break;
	case KIND_SECONDS:
	case KIND_MS: rc = read_time(opt, value, at); break;
	case KIND_RATE: rc = read_real(value, 1e6, at); break;
	case KIND_OTHER: return opt->read(o, value, e);
	}
	if (rc < 0)
		return err_set(e, "--%s: '%s' is not a number in range", opt->name, value);
	return 0;
}

static const struct option *
find_option(const char *arg, size_t len)
{
	size_t i;
	const struct option *opt;

	for (i = 0; i < N_OPTIONS; i++) {
		opt = &options[i];
		if (len == 2 && opt->short_name != NULL && arg[1] == opt->short_name[0])
			return opt;
		if (len > 2 && arg[1] == '-' && strlen(opt->name) == len - 2 &&
		    memcmp(arg + 2, opt->name, len - 2) == 0)
			return opt;
	}
	return NULL;
}

static void
set_defaults(struct options *o)
{
	memset(o, 0, sizeof(*o));
	o->path = "/v1/chat/completions";
	o->model = "bench";
	o->key_prefix = "u";
	o->id_prefix = "load-";
	o->seed = 1;
	o->leave_every = 1;
	o->timeout_us = 60 * (uint64_t)US_PER_S;
	o->drain_us = UINT64_MAX; /* not said */
}

/* What the options mean together. */
static int
settle(struct options *o, struct err *e)
{
	if (o->help || o->self_test)
		return 0;
	if (o->url == NULL)
		return err_set(e, "--url is missing");
	if (o->requests == 0 && o->duration_us == 0)
		return err_set(e, "say when to stop: -n REQUESTS or -d SECONDS");
	if (strlen(o->key_prefix) > PREFIX_MAX || strlen(o->id_prefix) > PREFIX_MAX)
		return err_set(e, "a prefix is longer than %d bytes", PREFIX_MAX);
	if (o->streams > 0 && o->rate > 0)
		return err_set(e, "--streams and --rate exclude each other");
	if (o->streams > 0) {
		o->connections = o->streams;
		o->stream = true;
		o->drain_us = 0;
	}
	if (o->drain_us == UINT64_MAX)
		o->drain_us = o->duration_us > 0 ? 5 * (uint64_t)US_PER_S : o->timeout_us;
	if (o->connections == 0)
		o->connections = o->rate > 0 ? 256 : 1;
	if (o->requests == 0)
		o->requests = UINT64_MAX;
	return 0;
}

int
options_parse(struct options *o, int argc, char **argv, struct err *e)
{
	const struct option *opt;
	const char *equals, *value;
	int i;

	set_defaults(o);
	for (i = 1; i < argc; i++) {
		equals = strncmp(argv[i], "--", 2) == 0 ? strchr(argv[i], '=') : NULL;
		opt = argv[i][0] != '-'
			  ? NULL
			  : find_option(argv[i],
				equals == NULL ? strlen(argv[i]) : (size_t)(equals - argv[i]));
		if (opt == NULL)
			return err_set(e, "unknown option '%s'", argv[i]);
		value = equals == NULL ? NULL : equals + 1;
		if (opt->kind != KIND_FLAG && value == NULL && (value = argv[++i]) == NULL)
			return err_set(e, "--%s wants a value", opt->name);
		if (set_value(o, opt, value, e) < 0)
			return -1;
	}
	return settle(o, e);
}

void
options_help(void)
{
	size_t i;
	char left[64];

	printf("usage: loadgen --url URL (-n REQUESTS | -d SECONDS) [options]\n");
	for (i = 0; i < N_OPTIONS; i++) {
		snprintf(left, sizeof(left), "%s%s%s--%s %s", options[i].short_name ? "-" : "",
		    options[i].short_name ? options[i].short_name : "    ",
		    options[i].short_name ? ", " : "", options[i].name,
		    options[i].argument ? options[i].argument : "");
		printf("  %-28s %s\n", left, options[i].help);
	}
}
