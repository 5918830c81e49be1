// SPDX-License-Identifier: MIT
/* See record.h. A key leaves the process only in sealed memory, never as an argument or a variable.
 */
#include "daemon/record.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/keys.h"
#include "common/log.h"
#include "daemon/alarm.h"
#include "daemon/channel.h"
#include "daemon/control.h"
#include "daemon/dossier.h"
#include "daemon/guard.h"
#include "daemon/journal.h"
#include "daemon/master.h"
#include "daemon/rates.h"

/* ---- making it ---------------------------------------------------------------------------------
 */

static void
fill_sockets(struct handover *h, const struct listeners *l, int *fds, unsigned *n_fds)
{
	for (unsigned i = 0; i <= l->n; i++) {
		const struct listener *one = i < l->n ? &l->all[i] : &l->admin;
		struct handover_socket *s = &h->sockets[h->n_sockets];

		if (one->fd < 0)
			continue;
		snprintf(s->configured, sizeof(s->configured), "%s", one->configured);
		s->own_file = one->inode != 0;
		s->admin = i == l->n;
		h->n_sockets++;
		if (fds != NULL)
			fds[(*n_fds)++] = one->fd;
	}
}

static void
fill_totals(struct handover *h, const struct master *m)
{
	const struct slot *all = &m->slots.all[0];

	slots_sum_overall(&m->slots, &h->overall);
	h->n_releases = atomic_load_explicit(&all->n_releases, memory_order_relaxed);
	for (unsigned i = 0; i < h->n_releases; i++) {
		struct handover_release *r = &h->releases[i];
		const struct policy_release *now;

		snprintf(r->name, sizeof(r->name), "%s", all->releases[i].name);
		now = policy_find(&m->policy, r->name);
		r->window_revision = now != NULL ? now->share_revision : 0;
		slots_sum_release(&m->slots, r->name, r->window_revision, &r->totals);
		slots_errors(&m->slots, r->name, &r->errors);
	}
	h->n_clients = slots_sum_clients(&m->slots, h->clients);
}

static struct handover *
make(const struct master *m)
{
	struct handover *h = calloc(1, sizeof(*h));

	if (h == NULL)
		return NULL;
	h->generation = m->last_generation;
	h->policy = m->policy;
	snprintf(h->control_socket, sizeof(h->control_socket), "%s", m->config->control_socket);
	snprintf(h->state_dir, sizeof(h->state_dir), "%s", m->config->state_dir);
	fill_totals(h, m);
	return h;
}

/* The record in sealed memory; -1: `e`. Frees it. */
static int
seal(struct handover *h, struct err *e)
{
	struct buf text = { 0 };
	int fd = -1;

	if (h == NULL || handover_print(&text, h) != 0)
		err_set(e, "out of memory for the hand-over");
	else
		fd = channel_seal(buf_bytes(&text), buf_len(&text), e);
	buf_free(&text);
	free(h);
	return fd;
}

struct key_text {
	struct buf *out;
	int rc;
};

/* "NAME\0VALUE\0", again and again. */
static void
add_key(void *arg, const char *name, const struct secret *value)
{
	struct key_text *k = arg;

	if (k->rc == 0)
		k->rc = buf_add(k->out, name, strlen(name) + 1);
	if (k->rc == 0)
		k->rc = buf_add(k->out, secret_text(value), secret_len(value) + 1);
}

static void
measure_key(void *arg, const char *name, const struct secret *value)
{
	size_t *n = arg;

	*n += strlen(name) + secret_len(value) + 2;
}

static int
seal_keys(struct err *e)
{
	struct buf text = { 0 };
	struct key_text k = { .out = &text };
	size_t n = 0;
	int fd = -1;

	/* All at once: growing would leave copies behind. */
	keys_each(measure_key, &n);
	if (n > 0)
		k.rc = buf_reserve(&text, n);
	if (k.rc == 0)
		keys_each(add_key, &k);
	if (k.rc != 0)
		err_set(e, "out of memory for the keys");
	else
		fd = channel_seal(buf_bytes(&text), buf_len(&text), e);
	if (text.data != NULL)
		sodium_memzero(text.data, text.cap);
	buf_free(&text);
	return fd;
}

/* ---- sending it --------------------------------------------------------------------------------
 */

int
record_send_hello(struct master *m, int fd, struct err *e)
{
	struct handover *h = make(m);
	int fds[CHANNEL_FDS_MAX] = { -1, -1, control_fd(m), m->limits.fd };
	unsigned n = RECORD_HELLO_SOCKETS;
	int rc = -1;

	if (h != NULL)
		fill_sockets(h, &m->listeners, fds, &n);
	fds[RECORD_HELLO_TEXT] = seal(h, e);
	if (fds[RECORD_HELLO_TEXT] >= 0)
		fds[RECORD_HELLO_KEYS] = seal_keys(e);
	if (fds[RECORD_HELLO_KEYS] >= 0) {
		rc = channel_send(fd, CHANNEL_HELLO, "", 0, fds, n);
		if (rc != 0)
			err_sys(e, "cannot send the hand-over");
	}
	for (unsigned i = 0; i < RECORD_HELLO_CONTROL; i++) {
		if (fds[i] >= 0)
			close(fds[i]);
	}
	return rc;
}

/* The evidence in sealed memory; with the keys that it goes with, or without. -1: there is none for
 * the next master, which only has to wait longer then. */
static int
seal_evidence(struct master *m, int seen_fd)
{
	struct buf bytes = { 0 };
	struct err e = { "out of memory" };
	int fd = -1;

	if (guard_print_evidence(m, &bytes) == 0 && dossier_end(&bytes, seen_fd, &e) == 0)
		fd = channel_seal(buf_bytes(&bytes), buf_len(&bytes), &e);
	buf_free(&bytes);
	if (fd < 0)
		log_event(LOG_WARN, "evidence_lost", "the new grayd gets no evidence: %s", e.msg);
	return fd;
}

int
record_send_go(struct master *m, int fd, struct err *e)
{
	int fds[3] = { seal(make(m), e), journal_lock_fd(m), -1 };
	unsigned n = fds[RECORD_GO_LOCK] >= 0 ? 2 : 1;
	int rc;

	if (fds[RECORD_GO_TEXT] < 0)
		return -1;
	if (n == 2)
		fds[RECORD_GO_EVIDENCE] = seal_evidence(m, m->seen_fd);
	rc = channel_send(fd, CHANNEL_GO, "", 0, fds, fds[RECORD_GO_EVIDENCE] >= 0 ? 3 : n);
	if (rc != 0)
		err_sys(e, "cannot send the hand-over");
	close(fds[RECORD_GO_TEXT]);
	if (fds[RECORD_GO_EVIDENCE] >= 0)
		close(fds[RECORD_GO_EVIDENCE]);
	return rc;
}

void
record_send_totals(struct master *m, int fd)
{
	struct err e;
	int fds[2] = { seal(make(m), &e), -1 };

	if (fds[RECORD_TOTALS_TEXT] < 0) {
		log_event(LOG_ERROR, "upgrade", "%s", e.msg);
		return;
	}
	fds[RECORD_TOTALS_EVIDENCE] = seal_evidence(m, -1);
	if (channel_send(
		fd, CHANNEL_TOTALS, "", 0, fds, fds[RECORD_TOTALS_EVIDENCE] >= 0 ? 2 : 1) != 0 &&
	    errno != EPIPE)
		log_event(LOG_WARN, "upgrade", "the new grayd does not take the sums: %s",
		    strerror(errno));
	for (unsigned i = 0; i < 2; i++) {
		if (fds[i] >= 0)
			close(fds[i]);
	}
}

/* ---- taking it ---------------------------------------------------------------------------------
 */

struct handover *
record_read(int memory, struct err *e)
{
	struct handover *h = calloc(1, sizeof(*h));
	size_t n;
	const char *text = NULL;
	int rc = -1;

	if (h == NULL)
		err_set(e, "out of memory for the hand-over");
	else
		text = channel_map(memory, &n, e);
	if (text != NULL) {
		rc = handover_parse(h, text, n, e);
		channel_unmap(text, n);
	}
	if (rc == 0)
		return h;
	free(h);
	return NULL;
}

int
record_take_keys(int memory, struct err *e)
{
	size_t n, at = 0;
	const char *text = channel_map(memory, &n, e);
	int rc = 0;

	if (text == NULL)
		return -1;
	while (at < n && rc == 0) {
		size_t name = strnlen(text + at, n - at);
		size_t value = at + name < n ? strnlen(text + at + name + 1, n - at - name - 1) : 0;

		if (at + name + 1 + value >= n)
			rc = err_set(e, "the keys of the hand-over are cut off");
		else if (keys_remember(text + at, text + at + name + 1, value) != 0)
			rc = err_set(e, "out of memory for the keys");
		at += name + value + 2;
	}
	channel_unmap(text, n);
	return rc;
}

static const struct handover_release *
find(const struct handover *h, const char *name)
{
	for (unsigned i = 0; h != NULL && i < h->n_releases; i++) {
		if (strcmp(h->releases[i].name, name) == 0)
			return &h->releases[i];
	}
	return NULL;
}

static uint64_t
newest(const struct handover_release *r)
{
	return r != NULL && r->errors.n > 0 ? r->errors.notes[r->errors.n - 1].wall_us : 0;
}

/* What was told of a client the time before; they come in the same order, with new ones behind. */
static const struct client_totals *
find_client(const struct handover *h, unsigned i, const char *name)
{
	static const struct client_totals nothing;

	if (h == NULL || i >= h->n_clients || strcmp(h->clients[i].name, name) != 0)
		return &nothing;
	return &h->clients[i];
}

static void
add_clients(struct master *m, const struct handover *now, const struct handover *before)
{
	for (unsigned i = 0; i < now->n_clients; i++) {
		const struct client_totals *c = &now->clients[i];

		if (slots_add_client(&m->slots, c, find_client(before, i, c->name)) != 0)
			log_event(
			    LOG_ERROR, "upgrade", "no room for the tallies of client %s", c->name);
	}
}

void
record_add_totals(struct master *m, const struct handover *now, const struct handover *before)
{
	static const struct overall_totals nothing;
	static const struct release_totals no_release;

	slots_add_overall(&m->slots, &now->overall, before != NULL ? &before->overall : &nothing);
	add_clients(m, now, before);
	for (unsigned i = 0; i < now->n_releases; i++) {
		const struct handover_release *r = &now->releases[i], *had = find(before, r->name);
		struct release_totals base = had != NULL ? had->totals : no_release;

		for (unsigned arm = 0; arm < ARM_COUNT; arm++) {
			if (had == NULL || had->window_revision != r->window_revision)
				base.arms[arm].window = 0;
		}
		if (slots_add_release(&m->slots, r->name, r->window_revision, &r->totals, &base) !=
		    0)
			log_event(LOG_ERROR, "upgrade", "no room for the tallies of %s", r->name);
		else
			slots_add_errors(&m->slots, r->name, &r->errors, newest(had));
	}
	/* What another has counted did not come in just now. */
	rates_begin_anew(m);
	alarms_begin_anew(m);
}
