// SPDX-License-Identifier: MIT
/* The requests of a stress test; see stress_run.h. One thread; a signal only sets a flag. */
#include "ctl/stress_run.h"

#include <curl/curl.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"

#define POLL_MS	       100
#define PROGRESS_US    (200 * (uint64_t)US_PER_MS)
#define KEY_LINE_BYTES 4200
#define IN_VAIN	       3 /* connections without a single answer before it gives up */

static volatile sig_atomic_t interrupted;

/* One of those that are under way. */
struct flight {
	CURL *easy;
	struct curl_slist *headers; /* the request id is the first, changed for each request */
	struct stress_reply reply;
	uint64_t started_us;
	char why[CURL_ERROR_SIZE];
};

struct run {
	const struct stress_plan *plan;
	struct stress_tally *tally;
	struct err *e;
	CURLM *multi;
	struct flight *flights;
	uint64_t begun, under_way, number; /* `number`: of this test, in request ids */
	uint64_t told_us;
	bool reached; /* some answer had a head */
	bool stop;
	enum stress_end end;
};

static void
on_signal(int number)
{
	(void)number;
	interrupted = 1;
}

/* ---- one request ----------------------------------------------------------------------------- */

static size_t
on_head(char *bytes, size_t size, size_t n, void *arg)
{
	struct flight *f = arg;
	size_t len = size * n;

	while (len > 0 && (bytes[len - 1] == '\r' || bytes[len - 1] == '\n'))
		len--;
	stress_reply_head(&f->reply, bytes, len);
	return size * n;
}

static size_t
on_bytes(char *bytes, size_t size, size_t n, void *arg)
{
	struct flight *f = arg;

	return stress_reply_bytes(&f->reply, bytes, size * n, clock_mono_us()) == 0 ? size * n : 0;
}

static struct curl_slist *
append(struct curl_slist *list, const char *line, bool *failed)
{
	struct curl_slist *longer = curl_slist_append(list, line);

	if (longer == NULL)
		*failed = true;
	return longer != NULL ? longer : list;
}

/* The key must not be left behind in freed memory. */
static void
wipe_headers(struct curl_slist *list)
{
	for (struct curl_slist *each = list; each != NULL; each = each->next)
		sodium_memzero(each->data, strlen(each->data));
	curl_slist_free_all(list);
}

static int
make_headers(const struct run *run, struct flight *f)
{
	const struct stress_plan *plan = run->plan;
	char line[KEY_LINE_BYTES];
	bool failed = false;

	snprintf(line, sizeof(line), "x-request-id: stress-%llx-%llu",
	    (unsigned long long)run->number, (unsigned long long)run->begun);
	wipe_headers(f->headers);
	f->headers = append(NULL, line, &failed);
	f->headers = append(f->headers, "Content-Type: application/json", &failed);
	f->headers = append(f->headers, "Expect:", &failed);
	if (!plan->judged)
		f->headers = append(f->headers, "x-gray-stress: 1", &failed);
	if (plan->stream)
		f->headers = append(f->headers, "x-gray-cost: 1", &failed);
	if (plan->key != NULL) {
		snprintf(line, sizeof(line), "Authorization: Bearer %s", secret_text(plan->key));
		f->headers = append(f->headers, line, &failed);
		sodium_memzero(line, sizeof(line));
	}
	return failed ? -1 : 0;
}

static void
set_up(const struct run *run, struct flight *f)
{
	CURL *c = f->easy;

	curl_easy_setopt(c, CURLOPT_URL, run->plan->url);
	if (run->plan->unix_path != NULL)
		curl_easy_setopt(c, CURLOPT_UNIX_SOCKET_PATH, run->plan->unix_path);
	curl_easy_setopt(c, CURLOPT_PROXY, "");
	curl_easy_setopt(c, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_head);
	curl_easy_setopt(c, CURLOPT_HEADERDATA, f);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_bytes);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, f);
	curl_easy_setopt(c, CURLOPT_ERRORBUFFER, f->why);
	curl_easy_setopt(c, CURLOPT_PRIVATE, f);
}

static int
begin(struct run *run, struct flight *f)
{
	const struct stress_prompts *prompts = run->plan->prompts;
	const char *body = prompts->bodies[run->begun % prompts->n];

	stress_reply_init(&f->reply, run->plan->stream);
	f->why[0] = '\0';
	if (make_headers(run, f) != 0)
		return err_set(run->e, "out of memory");
	curl_easy_setopt(f->easy, CURLOPT_POSTFIELDSIZE, (long)strlen(body));
	curl_easy_setopt(f->easy, CURLOPT_POSTFIELDS, body);
	curl_easy_setopt(f->easy, CURLOPT_HTTPHEADER, f->headers);
	f->started_us = clock_mono_us();
	if (curl_multi_add_handle(run->multi, f->easy) != CURLM_OK)
		return err_set(run->e, "libcurl cannot begin a request");
	run->begun++;
	run->under_way++;
	return 0;
}

static void
give_up(struct run *run, enum stress_end end, const char *why)
{
	run->stop = true;
	run->end = end;
	err_set(run->e, "%s", why);
}

static void
finish(struct run *run, struct flight *f, CURLcode rc)
{
	struct stress_reply *r = &f->reply;
	bool ok = stress_reply_end(r);

	curl_multi_remove_handle(run->multi, f->easy);
	run->under_way--;
	if (rc != CURLE_OK) {
		ok = false;
		snprintf(r->code, sizeof(r->code), "connection");
		snprintf(r->message, sizeof(r->message), "%.190s",
		    f->why[0] != '\0' ? f->why : curl_easy_strerror(rc));
	}
	stress_tally_add(run->tally, r, ok, f->started_us, clock_mono_us());
	run->reached |= r->status != 0;
	if (run->tally->answered > 0)
		return;
	if (r->status == 401 || r->status == 403)
		give_up(run, STRESS_DENIED, r->message);
	else if (!run->reached && (run->tally->sent >= IN_VAIN || run->tally->sent == run->plan->n))
		give_up(run, STRESS_UNREACHABLE, r->message);
}

/* ---- all of them ----------------------------------------------------------------------------- */

static void
reap(struct run *run)
{
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(run->multi, &left)) != NULL) {
		struct flight *f;
		CURLcode rc = message->data.result;

		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &f);
		finish(run, f, rc);
		if (!run->stop && run->begun < run->plan->n && begin(run, f) != 0)
			run->stop = true;
	}
}

static void
look_around(struct run *run)
{
	uint64_t now_us = clock_mono_us();

	if (interrupted && !run->stop)
		give_up(run, STRESS_INTERRUPTED, "interrupted");
	if (now_us >= run->plan->deadline_us && !run->stop)
		give_up(run, STRESS_TIMED_OUT, "the time is over");
	if (run->plan->progress != NULL && now_us - run->told_us >= PROGRESS_US) {
		run->told_us = now_us;
		run->plan->progress(run->plan->arg, run->tally);
	}
}

static int
open_flights(struct run *run)
{
	uint64_t n = run->plan->concurrency < run->plan->n ? run->plan->concurrency : run->plan->n;

	run->multi = curl_multi_init();
	run->flights = calloc(n, sizeof(*run->flights));
	if (run->multi == NULL || run->flights == NULL)
		return err_set(run->e, "out of memory");
	curl_multi_setopt(run->multi, CURLMOPT_MAXCONNECTS, (long)n);
	for (uint64_t i = 0; i < n; i++) {
		run->flights[i].easy = curl_easy_init();
		if (run->flights[i].easy == NULL)
			return err_set(run->e, "out of memory");
		set_up(run, &run->flights[i]);
		if (begin(run, &run->flights[i]) != 0)
			return -1;
	}
	return 0;
}

/* What is still under way is broken off: the gateway cancels it at the provider. */
static void
close_flights(struct run *run)
{
	uint64_t n = run->plan->concurrency < run->plan->n ? run->plan->concurrency : run->plan->n;

	for (uint64_t i = 0; run->flights != NULL && i < n; i++) {
		struct flight *f = &run->flights[i];

		if (f->easy != NULL) {
			curl_multi_remove_handle(run->multi, f->easy);
			curl_easy_cleanup(f->easy);
		}
		wipe_headers(f->headers);
		stress_reply_free(&f->reply);
	}
	free(run->flights);
	if (run->multi != NULL)
		curl_multi_cleanup(run->multi);
}

static void
loop(struct run *run)
{
	int running;

	while (run->under_way > 0 && !run->stop) {
		if (curl_multi_perform(run->multi, &running) != CURLM_OK) {
			give_up(run, STRESS_UNREACHABLE, "libcurl has failed");
			return;
		}
		reap(run);
		look_around(run);
		if (run->under_way > 0 && !run->stop)
			curl_multi_poll(run->multi, NULL, 0, POLL_MS, NULL);
	}
}

enum stress_end
stress_run(const struct stress_plan *plan, struct stress_tally *t, struct err *e)
{
	struct run run = { .plan = plan, .tally = t, .e = e, .end = STRESS_DONE };
	struct sigaction action = { .sa_handler = on_signal };

	interrupted = 0;
	sigemptyset(&action.sa_mask);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	curl_global_init(CURL_GLOBAL_DEFAULT);
	randombytes_buf(&run.number, sizeof(run.number));
	run.number >>= 32;
	if (open_flights(&run) == 0)
		loop(&run);
	else
		run.end = STRESS_UNREACHABLE;
	close_flights(&run);
	curl_global_cleanup();
	return run.end;
}
