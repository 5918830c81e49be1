// SPDX-License-Identifier: MIT
/*
 * The record of a hand-over: what was written is read back, whatever it holds; what is cut, edited
 * or of another version is refused; and sums told twice are added once.
 */
#include "daemon/handover.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/channel.h"

void suite_handover(void);

/* Numbers that look random and are the same in each run. */
static uint64_t
dice(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005ull + 1442695040888963407ull;
	return *seed >> 33;
}

static void
fill_arm(struct arm_totals *a, uint64_t *seed)
{
	for (unsigned i = 0; i < COUNTER_COUNT; i++)
		a->counters[i] = dice(seed) % 3 * dice(seed);
	for (unsigned i = 0; i < OUTCOME_COUNT; i++) {
		a->finished[i] = dice(seed) % 2 * dice(seed);
		a->attempts[i] = dice(seed) % 2 * dice(seed);
		a->fallbacks[i] = dice(seed) % 2 * dice(seed);
	}
	a->window = dice(seed);
	for (unsigned i = 0; i < HIST_BUCKETS; i += 1 + (unsigned)(dice(seed) % 50)) {
		a->latency_us.buckets[i] = dice(seed) % 100;
		a->latency_us.count += a->latency_us.buckets[i];
	}
	a->latency_us.sum_us = dice(seed);
}

static void
fill_release(struct policy_release *r, unsigned number, uint64_t *seed)
{
	snprintf(r->name, sizeof(r->name), number == 1 ? "tab\tline\nback\\slash" : "release %u",
	    number);
	r->rollout_id = dice(seed);
	r->revision = dice(seed);
	r->share_revision = dice(seed);
	r->changed_wall_us = UINT64_MAX - dice(seed);
	r->freeze_until_us = dice(seed);
	r->waived = (uint32_t)dice(seed);
	r->share_bp = (uint16_t)(dice(seed) % 10001);
	r->stage_percent = (uint16_t)(dice(seed) % 101);
	r->state = (uint8_t)(dice(seed) % STATE_COUNT);
	r->held_state = (uint8_t)(dice(seed) % STATE_COUNT);
	r->hold = (uint8_t)(dice(seed) % HOLD_COUNT);
	r->frozen = (uint8_t)(dice(seed) % 2);
	r->cut = (uint8_t)(dice(seed) % 2);
	r->models[ARM_STABLE] = UINT64_MAX - dice(seed);
	r->models[ARM_CANDIDATE] = dice(seed);
}

/* Everything that a record can hold, in `h`. */
static void
fill(struct handover *h, unsigned n_releases, uint64_t seed)
{
	memset(h, 0, sizeof(*h));
	h->generation = 12;
	snprintf(h->control_socket, sizeof(h->control_socket), "/run/a b/control.sock");
	snprintf(h->state_dir, sizeof(h->state_dir), "/var/lib/grayd");
	h->policy.revision = 1 + dice(&seed);
	h->policy.n_releases = n_releases;
	h->n_sockets = 3;
	snprintf(h->sockets[0].configured, 160, "127.0.0.1:0");
	snprintf(h->sockets[1].configured, 160, "unix:/a\\b");
	h->sockets[1].own_file = true;
	h->sockets[2].admin = true;
	h->overall.started = 100;
	h->overall.finished = 90;
	h->overall.restarts = 4;
	h->n_releases = n_releases;
	h->n_clients = n_releases == RELEASES_MAX ? CLIENTS_MAX : n_releases;
	for (unsigned i = 0; i < h->n_clients; i++) {
		snprintf(h->clients[i].name, sizeof(h->clients[i].name), "team\t%u", i);
		for (unsigned c = 0; c < CLIENT_COUNTER_COUNT; c++)
			h->clients[i].counters[c] = dice(&seed) % 3 * dice(&seed);
	}
	for (unsigned i = 0; i < n_releases; i++) {
		struct handover_release *r = &h->releases[i];

		fill_release(&h->policy.releases[i], i, &seed);
		snprintf(r->name, sizeof(r->name), "%s", h->policy.releases[i].name);
		r->window_revision = dice(&seed);
		for (unsigned arm = 0; arm < ARM_COUNT; arm++)
			fill_arm(&r->totals.arms[arm], &seed);
		r->errors.n = i % 3;
		for (unsigned k = 0; k < r->errors.n; k++) {
			struct error_note *note = &r->errors.notes[k];

			note->wall_us = 1000 + k;
			note->arm = k % ARM_COUNT;
			note->outcome = OUTCOME_COUNT - 1 - k;
			note->status = 503;
			note->attempt = 2;
			note->saved = k % SAVED_COUNT;
			snprintf(note->message, sizeof(note->message), "it said:\t\"no\"\n%u", k);
			snprintf(note->model, sizeof(note->model), "m");
			snprintf(note->provider, sizeof(note->provider), "p");
		}
	}
}

static struct buf
text_of(const struct handover *h)
{
	struct buf text = { 0 };

	CU_ASSERT_EQUAL_FATAL(handover_print(&text, h), 0);
	return text;
}

static bool
reads(struct handover *out, const struct buf *text, size_t n, struct err *e)
{
	return handover_parse(out, (const char *)text->data + text->head, n, e) == 0;
}

static void
test_round_trip(void)
{
	struct handover *h = calloc(1, sizeof(*h)), *back = calloc(1, sizeof(*back));

	CU_ASSERT_FATAL(h != NULL && back != NULL);
	for (unsigned n = 0; n <= RELEASES_MAX; n += n < 5 ? 1 : RELEASES_MAX - 5) {
		struct buf text;
		struct err e = { "" };

		fill(h, n, n + 1);
		text = text_of(h);
		CU_ASSERT(reads(back, &text, buf_len(&text), &e));
		CU_ASSERT_STRING_EQUAL(e.msg, "");
		CU_ASSERT_EQUAL(memcmp(h, back, sizeof(*h)), 0);
		buf_free(&text);
	}
	free(h);
	free(back);
}

/* Each proper beginning of a record is refused, and so is anything behind its end. */
static void
test_cut(void)
{
	struct handover *h = calloc(1, sizeof(*h)), *back = calloc(1, sizeof(*back));
	struct buf text;
	struct err e;

	CU_ASSERT_FATAL(h != NULL && back != NULL);
	fill(h, 1, 1);
	text = text_of(h);
	for (size_t n = 0; n < buf_len(&text); n++)
		CU_ASSERT_FALSE(reads(back, &text, n, &e));
	CU_ASSERT_EQUAL_FATAL(buf_adds(&text, "generation\t1\n"), 0);
	CU_ASSERT_FALSE(reads(back, &text, buf_len(&text), &e));
	buf_free(&text);
	free(h);
	free(back);
}

static const struct {
	const char *text, *message;
} strange[] = {
	{ "", "this version understands \"" HANDOVER_TITLE "\", and got \"\"" },
	{ "grayd-handover 99\n", "and got \"grayd-handover 99\"" },
	{ HANDOVER_TITLE "\nend\n", "not whole" },
	{ HANDOVER_TITLE "\npolicy\t0\nend\n", "not whole" },
	{ HANDOVER_TITLE "\npolicy\t18446744073709551616\n", "line 2" },
	{ HANDOVER_TITLE "\npolicy\t-1\n", "line 2" },
	{ HANDOVER_TITLE "\npolicy\t1 \n", "line 2" },
	{ HANDOVER_TITLE "\npolicy\n", "line 2" },
	{ HANDOVER_TITLE "\npolicy\t1\t2\n", "line 2" },
	{ HANDOVER_TITLE "\npolicy\t1\nrelease\tx\tshare_bp\t1\n", "line 3" },
	{ HANDOVER_TITLE "\npolicy\t1\nrelease\tx\tshare\t1\n", "line 3" },
	{ HANDOVER_TITLE "\npolicy\t1\nwhat\t1\n",
	    "line 3 of the hand-over makes no sense: \"what" },
	{ HANDOVER_TITLE "\npolicy\t1\nsum\tstable\tcounter\trequests\t1\n", "line 3" },
	{ HANDOVER_TITLE "\npolicy\t1\ntotals\tx\t0\nsum\tnobody\tcounter\trequests\t1\n",
	    "line 4" },
	{ HANDOVER_TITLE "\npolicy\t1\ntotals\tx\t0\nsum\tstable\tguesses\trequests\t1\n",
	    "line 4" },
	{ HANDOVER_TITLE "\npolicy\t1\ntotals\tx\t0\ntimes\tstable\tlatency_us\t1\t2\n", "line 4" },
	{ HANDOVER_TITLE "\npolicy\t1\ntotals\tbad\\escape\t0\n", "line 3" },
	{ HANDOVER_TITLE "\npolicy\t1\nend\npolicy\t2\n", "line 4" },
	{ HANDOVER_TITLE "\npolicy\t1", "in the middle of line 2" },
};

static void
test_strange(void)
{
	struct handover *back = calloc(1, sizeof(*back));

	CU_ASSERT_FATAL(back != NULL);
	for (size_t i = 0; i < sizeof(strange) / sizeof(strange[0]); i++) {
		struct err e = { "accepted" };
		int rc = handover_parse(back, strange[i].text, strlen(strange[i].text), &e);

		CU_ASSERT_EQUAL(rc, -1);
		CU_ASSERT_PTR_NOT_NULL(strstr(e.msg, strange[i].message));
		if (strstr(e.msg, strange[i].message) == NULL)
			fprintf(stderr, "\n%zu: %s\n", i, e.msg);
	}
	free(back);
}

/* A version that counts more, or knows more ways to fail. */
static void
test_unknown_figures(void)
{
	static const char text[] =
	    HANDOVER_TITLE "\npolicy\t5\ntotals\tx\t0\nsum\tstable\tcounter\trequests\t7\n"
			   "sum\tstable\tcounter\tnot_yet_invented\t9\n"
			   "sum\tcandidate\tfinished\tabducted\t9\n"
			   "error\t1\tstable\tabducted\t500\t1\tno\tid\tm\tp\t\twhy\n"
			   "error\t2\tstable\tok\t200\t1\tretry\tid\tm\tp\t\twhy\n"
			   "client\tteam\tnot_yet_invented\t9\trequests\t6\nend\n";
	struct handover *back = calloc(1, sizeof(*back));
	struct err e;

	CU_ASSERT_FATAL(back != NULL);
	CU_ASSERT_EQUAL(handover_parse(back, text, sizeof(text) - 1, &e), 0);
	CU_ASSERT_EQUAL(back->releases[0].totals.arms[ARM_STABLE].counters[COUNTER_REQUESTS], 7);
	CU_ASSERT_EQUAL(back->releases[0].errors.n, 1);
	CU_ASSERT_EQUAL(back->clients[0].counters[CLIENT_COUNTER_REQUESTS], 6);
	CU_ASSERT_EQUAL(back->releases[0].errors.notes[0].wall_us, 2);
	free(back);
}

static void
test_policy(void)
{
	struct handover *h = calloc(1, sizeof(*h));
	struct policy back;
	struct buf text = { 0 };
	struct err e;

	CU_ASSERT_FATAL(h != NULL);
	fill(h, RELEASES_MAX, 3);
	CU_ASSERT_EQUAL_FATAL(handover_print_policy(&text, &h->policy), 0);
	CU_ASSERT(buf_len(&text) < CHANNEL_BODY_MAX);
	CU_ASSERT_EQUAL(
	    handover_parse_policy(&back, (const char *)buf_bytes(&text), buf_len(&text), &e), 0);
	CU_ASSERT_EQUAL(memcmp(&back, &h->policy, sizeof(back)), 0);
	CU_ASSERT_EQUAL(handover_parse_policy(&back, "end\n", 4, &e), -1);
	CU_ASSERT_EQUAL(handover_parse_policy(&back, "", 0, &e), -1);
	buf_free(&text);
	free(h);
}

/* The old master tells its sums again and again; a worker of its own counts on. */
static void
test_sums_grow(void)
{
	struct slots s;
	struct release_totals sums[3] = { 0 }, out;
	struct overall_totals overall[3] = { { .started = 5, .finished = 4 },
		{ .started = 9, .finished = 8, .lost = 1 },
		{ .started = 9, .finished = 8, .lost = 1 } };
	struct overall_totals all, nothing = { 0 };
	static const struct release_totals none;
	struct err e;

	CU_ASSERT_EQUAL_FATAL(slots_create(&s, &e), 0);
	sums[0].arms[ARM_STABLE].counters[COUNTER_REQUESTS] = 5;
	sums[0].arms[ARM_STABLE].window = 5;
	sums[0].arms[ARM_STABLE].latency_us.buckets[3] = 2;
	sums[0].arms[ARM_STABLE].latency_us.count = 2;
	sums[1] = sums[0];
	sums[1].arms[ARM_STABLE].counters[COUNTER_REQUESTS] = 9;
	sums[1].arms[ARM_STABLE].window = 7;
	sums[1].arms[ARM_STABLE].latency_us.buckets[3] = 3;
	sums[1].arms[ARM_STABLE].latency_us.count = 3;
	sums[2] = sums[1];
	for (unsigned i = 0; i < 3; i++) {
		CU_ASSERT_EQUAL(
		    slots_add_release(&s, "x", 40, &sums[i], i == 0 ? &none : &sums[i - 1]), 0);
		slots_add_overall(&s, &overall[i], i == 0 ? &nothing : &overall[i - 1]);
	}
	slots_sum_release(&s, "x", 40, &out);
	CU_ASSERT_EQUAL(memcmp(&out, &sums[2], sizeof(out)), 0);
	slots_sum_overall(&s, &all);
	CU_ASSERT_EQUAL(memcmp(&all, &overall[2], sizeof(all)), 0);
	slots_destroy(&s);
}

/* What can still be changed, or is no such memory, is not read. */
static void
test_sealed(void)
{
	struct err e;
	size_t n;
	int fd = channel_seal("key", 3, &e), plain = dup(STDIN_FILENO);
	const char *bytes;

	CU_ASSERT_FATAL(fd >= 0);
	CU_ASSERT_EQUAL(write(fd, "x", 1), -1);
	CU_ASSERT_EQUAL(ftruncate(fd, 1), -1);
	bytes = channel_map(fd, &n, &e);
	CU_ASSERT_PTR_NOT_NULL_FATAL(bytes);
	CU_ASSERT(n == 3 && memcmp(bytes, "key", 3) == 0);
	channel_unmap(bytes, n);
	CU_ASSERT_PTR_NULL(channel_map(plain, &n, &e));
	close(fd);
	close(plain);
}

void
suite_handover(void)
{
	CU_pSuite s = CU_add_suite("handover", NULL, NULL);

	CU_add_test(s, "what is written is read", test_round_trip);
	CU_add_test(s, "cut at every byte", test_cut);
	CU_add_test(s, "what makes no sense is refused", test_strange);
	CU_add_test(s, "figures of another version", test_unknown_figures);
	CU_add_test(s, "a policy alone", test_policy);
	CU_add_test(s, "sums told again are added once", test_sums_grow);
	CU_add_test(s, "sealed memory", test_sealed);
}
