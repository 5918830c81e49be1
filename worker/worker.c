// SPDX-License-Identifier: MIT
/*
 * A worker process: sets itself up from its seed, then turns its loop until it is told to leave.
 * Each turn: libevent runs what is ready; libcurl does what it wants and reports what has ended;
 * connections send what is queued. So no callback ever frees what its caller still holds.
 */
#include "worker/worker.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/modelid.h"
#include "common/slot.h"
#include "worker/auth.h"
#include "worker/conn.h"
#include "worker/listener.h"
#include "worker/message.h"
#include "worker/pin.h"
#include "worker/request.h"
#include "worker/state.h"
#include "worker/upstream.h"

#define HEARTBEAT_US	(250 * (uint64_t)US_PER_MS)
#define LOG_WAIT_US	(20 * (uint64_t)US_PER_MS)
#define UPSTREAM_PASSES 4

/* ---- small things that everybody uses -------------------------------------------------------- */

static uint64_t
rotate(uint64_t x, int k)
{
	return (x << k) | (x >> (64 - k));
}

uint64_t
worker_random(struct worker *w)
{
	uint64_t *s = w->random, result = rotate(s[1] * 5, 7) * 9, t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotate(s[3], 45);
	return result;
}

const char *
worker_date(struct worker *w)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME_COARSE, &now);
	if (now.tv_sec != w->date_s) {
		struct tm tm;

		w->date_s = now.tv_sec;
		gmtime_r(&now.tv_sec, &tm);
		strftime(w->date, sizeof(w->date), "%a, %d %b %Y %H:%M:%S GMT", &tm);
	}
	return w->date;
}

/* ---- policy ---------------------------------------------------------------------------------- */

/* What a release is treated as that the policy does not name: all to stable. */
static const struct policy_release unknown_release = { .state = STATE_IDLE };

/* The policy speaks of other models than this worker's config: a later one has come. What it sends
 * to its stable model goes to that model here too, where there is one, and nothing to another
 * candidate. */
static const struct policy_release *
translate(struct live_release *live, const struct policy_release *found)
{
	uint64_t candidate = live->models[ARM_CANDIDATE];

	live->translated = *found;
	live->translated.rollout_id = 0; /* its rollout is of other models: nothing counts */
	live->translated.share_bp = live->translated.stage_percent = 0;
	if (candidate != 0 && found->models[ARM_STABLE] == candidate) {
		live->translated.state = STATE_DONE;
		live->translated.share_bp = HASH_BUCKETS;
		live->translated.stage_percent = 100;
	}
	return &live->translated;
}

static void
bind_release(struct worker *w, struct live_release *live)
{
	const struct policy_release *found = policy_find(&w->policy.current, live->config->name);

	live->policy = found != NULL ? found : &unknown_release;
	if (found != NULL && memcmp(found->models, live->models, sizeof(live->models)) != 0)
		live->policy = translate(live, found);
	live->rollout_tag = seen_rollout_tag(live->config->name, live->policy->rollout_id);
	if (live->window_revision == live->policy->share_revision)
		return;
	live->window_revision = live->policy->share_revision;
	slot_window_begin(live->tally, live->window_revision);
}

static void
bind_releases(struct worker *w)
{
	for (unsigned i = 0; i < w->config->n_releases; i++)
		bind_release(w, &w->releases[i]);
}

static void
acknowledge(struct worker *w)
{
	static const char ack = MSG_ACK;

	atomic_store_explicit(&w->slot->acked_us, clock_mono_us(), memory_order_relaxed);
	atomic_store_explicit(
	    &w->slot->acked_revision, w->policy.current.revision, memory_order_release);
	if (!w->master_gone)
		send(w->seed->master_fd, &ack, 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}

void
worker_look_at_policy(struct worker *w)
{
	if (w->looking || !policy_changed(&w->policy))
		return;
	w->looking = true;
	switch (policy_refresh(&w->policy)) {
	case POLICY_SAME: break;
	case POLICY_BAD:
		tally_add(&w->slot->bad_policy, 1);
		log_event(
		    LOG_ERROR, "bad_policy", "the newest policy cannot be read; the old one holds");
		break;
	case POLICY_NEW:
		bind_releases(w);
		request_tell_rollbacks(w);
		acknowledge(w);
		request_rescue_all(w);
		break;
	}
	w->looking = false;
}

/* ---- the master ------------------------------------------------------------------------------ */

static void
on_drain_over(void *arg)
{
	struct worker *w = arg;

	request_abort_all(w);
	conn_drain_over(w);
	w->stop = true;
}

static void
retire(struct worker *w)
{
	if (w->draining)
		return;
	w->draining = true;
	atomic_store(&w->slot->state, SLOT_DRAINING);
	listener_stop(w);
	deadline_set(
	    &w->drain_deadline, clock_mono_us() + (uint64_t)w->config->limits.drain_ms * US_PER_MS);
}

static void
drain(struct worker *w)
{
	retire(w);
	w->hurried = true;
	conn_hurry_all(w);
}

static void
on_master_gone(struct worker *w)
{
	event_del(&w->master_event);
	w->master_gone = true;
	log_event(LOG_WARN, "master_gone", "the master is gone: finishing what runs, then leaving");
	drain(w);
}

static void
on_master(evutil_socket_t fd, short what, void *arg)
{
	struct worker *w = arg;
	char message;
	int passed;
	ssize_t n;

	(void)what;
	while ((n = message_receive((int)fd, &message, &passed)) > 0) {
		if (message == MSG_SERVE)
			listener_resume(w);
		else if (message == MSG_RETIRE)
			retire(w);
		else if (message == MSG_DRAIN)
			drain(w);
		else if (message == MSG_LOG && passed >= 0)
			log_adopt(passed);
	}
	if (n == 0)
		on_master_gone(w);
}

static void
on_policy_bell(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	worker_look_at_policy(arg);
}

static void
on_heartbeat(void *arg)
{
	struct worker *w = arg;
	uint64_t now_us = clock_mono_us();

	atomic_store_explicit(&w->slot->heartbeat_us, now_us, memory_order_relaxed);
	atomic_store_explicit(&w->slot->log_dropped, log_dropped(), memory_order_relaxed);
	deadline_set(&w->heartbeat, now_us + HEARTBEAT_US);
}

static void
on_log_timer(void *arg)
{
	(void)arg;
	log_flush();
}

/* ---- setting up ------------------------------------------------------------------------------ */

/* The number of a name in a list, added if it is new; -1: the list is full. */
static int
key_number(struct chat_keys *k, const char *name, const char *child)
{
	unsigned i;

	for (i = 0; i < k->n; i++) {
		const char *known = k->keys[i].child;

		if (strcmp(k->keys[i].name, name) == 0 && (known == NULL) == (child == NULL) &&
		    (child == NULL || strcmp(known, child) == 0))
			return (int)i;
	}
	if (i == CHAT_KEYS_MAX)
		return -1;
	k->keys[i].name = name;
	k->keys[i].child = child;
	k->n++;
	return (int)i;
}

static int
header_number(struct worker *w, const char *name)
{
	unsigned i;

	for (i = 0; i < w->n_header_names; i++)
		if (strcmp(w->header_names[i], name) == 0)
			return (int)i;
	if (i == CHAT_KEYS_MAX)
		return -1;
	w->header_names[w->n_header_names++] = name;
	return (int)i;
}

static int
set_up_sticky(struct worker *w, struct live_release *live, struct err *e)
{
	for (unsigned i = 0; i < live->config->n_sticky; i++) {
		const struct config_sticky *s = &live->config->sticky[i];
		int number = s->kind == STICKY_HEADER
				 ? header_number(w, s->name)
				 : key_number(&w->chat_keys, s->name, s->child);

		if (number < 0)
			return err_set(e,
			    "releases.%s.sticky: all releases together use more than %d different "
			    "sources",
			    live->config->name, CHAT_KEYS_MAX);
		live->key_index[i] = (uint8_t)number;
	}
	return 0;
}

static int
set_up_release(struct worker *w, struct config_release *config, struct err *e)
{
	struct live_release *live = &w->releases[config->index];
	const struct config_model *candidate = config->arms[ARM_CANDIDATE];

	live->config = config;
	modelid_release(config, live->models);
	live->policy = &unknown_release;
	live->tally = slot_release_tally(w->slot, config->name);
	if (live->tally == NULL)
		return err_set(e, "releases.%s: no room for its tallies", config->name);
	hash_key_route(
	    &live->key, config->name, candidate != NULL ? candidate->id : "", config->salt);
	for (unsigned arm = 0; arm < ARM_COUNT; arm++)
		if (config->arms[arm] != NULL)
			live->upstreams[arm] = upstream_of(
			    w, (unsigned)(config->arms[arm]->provider - w->config->providers));
	return set_up_sticky(w, live, e);
}

static int
set_up_clients(struct worker *w, struct err *e)
{
	unsigned n = w->config->n_clients;

	w->client_tallies = calloc(n + 1, sizeof(*w->client_tallies));
	if (w->client_tallies == NULL)
		return err_set(e, "out of memory");
	for (unsigned i = 0; i < n; i++) {
		w->client_tallies[i] = slot_client_tally(w->slot, w->config->clients[i].name);
		if (w->client_tallies[i] == NULL)
			return err_set(e, "clients[%u]: no room for its tallies", i);
	}
	return 0;
}

static int
set_up_loop(struct worker *w, struct err *e)
{
	struct event_config *config = event_config_new();

	if (config != NULL) {
		event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
		w->base = event_base_new_with_config(config);
		event_config_free(config);
	}
	if (w->base == NULL)
		return err_set(e, "libevent cannot make a loop");
	event_assign(
	    &w->master_event, w->base, w->seed->master_fd, EV_READ | EV_PERSIST, on_master, w);
	event_assign(&w->policy_event, w->base, w->seed->policy_bell, EV_READ | EV_ET | EV_PERSIST,
	    on_policy_bell, w);
	if (event_add(&w->master_event, NULL) < 0 || event_add(&w->policy_event, NULL) < 0)
		return err_set(e, "the loop cannot watch the master");
	deadline_init(&w->heartbeat, w->base, on_heartbeat, w);
	deadline_init(&w->drain_deadline, w->base, on_drain_over, w);
	deadline_init(&w->log_timer, w->base, on_log_timer, w);
	return 0;
}

static int
set_up(struct worker *w, const struct worker_seed *seed, struct err *e)
{
	w->seed = seed;
	w->config = seed->config;
	w->slot = seed->slot;
	w->seen = seed->seen;
	LIST_INIT(&w->conns);
	LIST_INIT(&w->requests);
	TAILQ_INIT(&w->dirty);
	SLIST_INIT(&w->dead);
	randombytes_buf(w->random, sizeof(w->random));
	policy_reader_init(&w->policy, seed->policy);
	if (auth_open(w) < 0)
		return err_set(e, "out of memory");
	if (set_up_loop(w, e) < 0)
		return -1;
	if (gate_open_all(w) < 0)
		return err_set(e, "out of memory");
	if (upstream_open_all(w, e) < 0 || set_up_clients(w, e) < 0)
		return -1;
	for (unsigned i = 0; i < w->config->n_releases; i++)
		if (set_up_release(w, &w->config->releases[i], e) < 0)
			return -1;
	worker_look_at_policy(w);
	return listener_start(w) < 0 ? err_sys(e, "cannot watch the listening sockets") : 0;
}

static void
tear_down(struct worker *w)
{
	struct conn *c;

	listener_stop(w);
	request_abort_all(w);
	conn_turn_end(w);
	while ((c = LIST_FIRST(&w->conns)) != NULL)
		conn_close(c);
	conn_turn_end(w);
	request_free_spares(w);
	upstream_close_all(w);
	gate_close_all(w);
	auth_close(w);
	buf_free(&w->text);
	log_flush();
	event_base_free(w->base);
	free(w->client_tallies);
	free(w);
}

/* Lines wait for company, but not for long. */
static void
look_at_log(struct worker *w)
{
	if (!log_pending())
		return;
	if (log_due(clock_mono_us()))
		log_flush();
	else if (w->log_timer.at_us == 0)
		deadline_set(&w->log_timer, clock_mono_us() + LOG_WAIT_US);
}

/* libcurl may want to go on and on where a provider sends as fast as it reads: after a few times it
 * must wait for the next turn, so that what came is sent or held back, and others are served. */
static void
turn(struct worker *w)
{
	event_base_loop(w->base, upstream_is_due(w) ? EVLOOP_ONCE | EVLOOP_NONBLOCK : EVLOOP_ONCE);
	for (int i = 0; i < UPSTREAM_PASSES && upstream_turn_end(w); i++)
		;
	conn_turn_end(w);
	look_at_log(w);
}

int
worker_main(const struct worker_seed *seed)
{
	static const char ready = MSG_READY;
	struct worker *w = calloc(1, sizeof(*w));
	struct err e;

	if (w == NULL || set_up(w, seed, &e) < 0) {
		log_event(LOG_ERROR, "worker_start", "%s", w == NULL ? "out of memory" : e.msg);
		return 1;
	}
	if (w->config->pin_workers)
		pin_worker(seed->index);
	on_heartbeat(w);
	atomic_store(&w->slot->state, SLOT_READY);
	send(seed->master_fd, &ready, 1, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (!w->stop && !(w->draining && LIST_EMPTY(&w->conns)))
		turn(w);
	tear_down(w);
	return 0;
}
