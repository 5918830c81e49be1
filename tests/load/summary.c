// SPDX-License-Identifier: MIT
/* Totals and their two faces; see summary.h. */
#include "tests/load/summary.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"

static void
tally_word(struct tally *t, const char *word)
{
	unsigned i;

	for (i = 0; i < t->n; i++) {
		if (strcmp(t->entries[i].word, word) == 0)
			break;
	}
	if (i == TALLY_MAX) {
		i--;
		strcpy(t->entries[i].word, "other");
	} else if (i == t->n) {
		strcpy(t->entries[t->n++].word, word);
	}
	t->entries[i].count++;
}

void
summary_add(struct summary *s, const struct record *r)
{
	const struct answer *a = r->answer;

	s->now.requests++;
	s->now.bytes += a->body_bytes;
	s->verdicts[r->verdict]++;
	if (a->status < 600 && a->status > 0)
		s->statuses[a->status]++;
	if (a->arm[0] != '\0')
		tally_word(&s->arms, a->arm);
	if (a->fallback[0] == '1') {
		s->fallbacks++;
		tally_word(&s->reasons, a->reason);
	}
	if (s->measuring && (r->verdict == VERDICT_OK || r->verdict == VERDICT_ERROR)) {
		hist_add(&s->latency, r->end_us - r->due_us);
		hist_add(&s->first_byte, r->first_us - r->due_us);
	}
}

void
summary_events(struct summary *s, uint32_t n, uint64_t gap_us)
{
	s->now.events += n;
	if (s->measuring && gap_us > 0)
		hist_add(&s->gap, gap_us);
}

bool
summary_all_ok(const struct summary *s)
{
	return s->now.requests > 0 && s->verdicts[VERDICT_OK] == s->now.requests &&
	       s->unsolicited == 0;
}

/* ---- for people ------------------------------------------------------------------------------ */

static double
seconds_of(const struct summary *s)
{
	double us = (double)(s->last.at_us - s->first.at_us);

	return us > 0 ? us / US_PER_S : 1e-6;
}

static double
per_unit(uint64_t total, uint64_t units)
{
	return units > 0 ? (double)total / (double)units : 0;
}

static void
print_tally(const char *title, const struct tally *t)
{
	unsigned i;

	for (i = 0; i < t->n; i++)
		printf("%s%s %llu", i ? ", " : title, t->entries[i].word,
		    (unsigned long long)t->entries[i].count);
	if (t->n > 0)
		printf("\n");
}

static void
print_hist(const char *title, const struct hist *h)
{
	if (h->count == 0)
		return;
	printf("%-12s p50 %.3f  p95 %.3f  p99 %.3f  max %.3f ms\n", title,
	    (double)hist_quantile(h, 0.50) / US_PER_MS, (double)hist_quantile(h, 0.95) / US_PER_MS,
	    (double)hist_quantile(h, 0.99) / US_PER_MS, (double)h->max / US_PER_MS);
}

static void
print_counts(const struct summary *s)
{
	unsigned i;

	printf("requests     %llu on %llu connections\n", (unsigned long long)s->now.requests,
	    (unsigned long long)s->connections);
	for (i = 0; i < VERDICT_COUNT; i++) {
		if (s->verdicts[i] > 0)
			printf(
			    "  %-14s %llu\n", verdict_names[i], (unsigned long long)s->verdicts[i]);
	}
	for (i = 0; i < 600; i++) {
		if (s->statuses[i] > 0)
			printf("  status %-7u %llu\n", i, (unsigned long long)s->statuses[i]);
	}
	print_tally("answered by  ", &s->arms);
	if (s->fallbacks > 0)
		printf("fallbacks    %llu\n", (unsigned long long)s->fallbacks);
	print_tally("  because of ", &s->reasons);
	if (s->unsolicited > 0)
		printf(
		    "bytes on idle connections: %llu times\n", (unsigned long long)s->unsolicited);
}

void
summary_print(const struct summary *s)
{
	uint64_t requests = s->last.requests - s->first.requests;
	uint64_t events = s->last.events - s->first.events;
	uint64_t cpu = s->last.watch.cpu_us - s->first.watch.cpu_us;

	print_counts(s);
	printf("rate         %.0f requests/s", (double)requests / seconds_of(s));
	if (events > 0)
		printf(", %.0f events/s", (double)events / seconds_of(s));
	printf(" over %.2f s\n", seconds_of(s));
	print_hist("latency", &s->latency);
	print_hist("first byte", &s->first_byte);
	print_hist("event gap", &s->gap);
	if (cpu > 0)
		printf("watched      %.2f us a request, %.2f us an event, %llu KB\n",
		    per_unit(cpu, requests), per_unit(cpu, events),
		    (unsigned long long)s->last.watch.pss_kb);
}

/* ---- for scripts ----------------------------------------------------------------------------- */

static void
add_number(cJSON *to, const char *name, uint64_t n)
{
	cJSON_AddNumberToObject(to, name, (double)n);
}

static void
add_tally(cJSON *to, const char *name, const struct tally *t)
{
	cJSON *o = cJSON_AddObjectToObject(to, name);
	unsigned i;

	for (i = 0; i < t->n; i++)
		add_number(o, t->entries[i].word, t->entries[i].count);
}

static void
add_hist(cJSON *to, const char *name, const struct hist *h)
{
	cJSON *o = cJSON_AddObjectToObject(to, name);

	add_number(o, "count", h->count);
	cJSON_AddNumberToObject(o, "mean", per_unit(h->sum, h->count));
	add_number(o, "p50", hist_quantile(h, 0.50));
	add_number(o, "p95", hist_quantile(h, 0.95));
	add_number(o, "p99", hist_quantile(h, 0.99));
	add_number(o, "max", h->max);
}

static void
add_counts(cJSON *to, const struct summary *s)
{
	cJSON *verdicts, *statuses;
	char word[8];
	unsigned i;

	add_number(to, "requests", s->now.requests);
	verdicts = cJSON_AddObjectToObject(to, "verdicts");
	for (i = 0; i < VERDICT_COUNT; i++)
		add_number(verdicts, verdict_names[i], s->verdicts[i]);
	statuses = cJSON_AddObjectToObject(to, "statuses");
	for (i = 0; i < 600; i++) {
		snprintf(word, sizeof(word), "%u", i);
		if (s->statuses[i] > 0)
			add_number(statuses, word, s->statuses[i]);
	}
	add_tally(to, "arms", &s->arms);
	add_number(to, "fallbacks", s->fallbacks);
	add_tally(to, "fallback_reasons", &s->reasons);
	add_number(to, "connections", s->connections);
	add_number(to, "unsolicited", s->unsolicited);
	add_number(to, "events", s->now.events);
	add_number(to, "bytes", s->now.bytes);
}

static void
add_measured(cJSON *to, const struct summary *s)
{
	cJSON *m = cJSON_AddObjectToObject(to, "measured");
	uint64_t requests = s->last.requests - s->first.requests;
	uint64_t events = s->last.events - s->first.events;
	uint64_t cpu = s->last.watch.cpu_us - s->first.watch.cpu_us;

	cJSON_AddNumberToObject(m, "seconds", seconds_of(s));
	add_number(m, "requests", requests);
	add_number(m, "events", events);
	cJSON_AddNumberToObject(m, "requests_per_s", (double)requests / seconds_of(s));
	cJSON_AddNumberToObject(m, "events_per_s", (double)events / seconds_of(s));
	add_number(m, "cpu_us", cpu);
	cJSON_AddNumberToObject(m, "cpu_us_per_request", per_unit(cpu, requests));
	cJSON_AddNumberToObject(m, "cpu_us_per_event", per_unit(cpu, events));
	add_number(m, "pss_kb_first", s->first.watch.pss_kb);
	add_number(m, "pss_kb", s->last.watch.pss_kb);
	add_number(m, "rss_kb", s->last.watch.rss_kb);
	cJSON_AddBoolToObject(m, "watch_lost", s->last.watch.lost || s->first.watch.lost);
}

int
summary_print_json(const struct summary *s)
{
	cJSON *root = cJSON_CreateObject();
	char *text;

	add_counts(root, s);
	add_hist(root, "latency_us", &s->latency);
	add_hist(root, "first_byte_us", &s->first_byte);
	add_hist(root, "gap_us", &s->gap);
	add_measured(root, s);
	text = cJSON_PrintUnformatted(root);
	cJSON_Delete(root);
	if (text == NULL)
		return -1;
	printf("%s\n", text);
	free(text);
	return 0;
}
