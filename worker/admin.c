// SPDX-License-Identifier: MIT
/*
 * The admin process: answers /metrics, /healthz and /readyz from shared memory. It maps everything
 * read-only and has no way to the master but the socket pair through which it is told to leave, so
 * a scrape, a thousand of them, or a fault in here touch neither requests nor rollouts.
 */
#include "worker/admin.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/limits.h"
#include "common/log.h"
#include "worker/adminconn.h"
#include "worker/head.h"
#include "worker/message.h"

#define DRAIN_US (1 * (uint64_t)US_PER_S)
/* A worker without a heartbeat for so long is not counted as alive. */
#define SILENT_US (3 * (uint64_t)US_PER_S)
/* So long a new policy may be on its way to the workers without anybody calling grayd unready. */
#define SPREAD_US (1 * (uint64_t)US_PER_S)
/* A dead worker's figures move within microseconds, unless the master is stopped just then. */
#define WHOLE_TRIES 100
#define NICE	    5 /* workers come first */

/* ---- figures ----------------------------------------------------------------------------------
 */

struct crew {
	uint64_t workers[SLOT_GONE]; /* by state */
	uint64_t generation;	     /* the newest with a worker that is ready */
	unsigned current, behind; /* its ready workers; those of them without the newest policy */
};

static void
count_slot(struct crew *crew, const struct slot *slot, uint64_t revision, uint64_t now_us)
{
	uint32_t state = atomic_load_explicit(&slot->state, memory_order_relaxed);
	uint64_t heard_us = tally_get(&slot->heartbeat_us);
	uint64_t generation = tally_get(&slot->generation);

	if (state == SLOT_FREE || state >= SLOT_GONE)
		return;
	if (heard_us < now_us && now_us - heard_us > SILENT_US)
		return;
	crew->workers[state]++;
	if (state != SLOT_READY || generation < crew->generation)
		return;
	if (generation > crew->generation)
		crew->current = crew->behind = 0;
	crew->generation = generation;
	crew->current++;
	crew->behind += tally_get(&slot->acked_revision) < revision;
}

static void
count_crew(const struct admin *a, struct crew *crew)
{
	uint64_t now_us = clock_mono_us();

	*crew = (struct crew){ 0 };
	for (unsigned i = 1; i < SLOTS_MAX; i++)
		count_slot(crew, &a->seed->slots->all[i], a->policy.current.revision, now_us);
}

static void
look_at_policy(struct admin *a)
{
	if (policy_refresh(&a->policy) == POLICY_BAD)
		log_event(LOG_ERROR, "bad_policy",
		    "the newest policy cannot be read; figures are of the one before");
}

/* For so long a model still cools down; 0: it does not. */
static uint64_t
cooling_us(const struct admin *a, const struct config_model *model)
{
	enum limiter_cause cause;
	uint64_t now_us = clock_mono_us(), until_us;

	if (model == NULL)
		return 0;
	until_us = limiter_cooling_us(limiter_at(a->seed->limits, model->limiter), now_us, &cause);
	return until_us > now_us ? until_us - now_us : 0;
}

/* What the master has left of the providers' words. */
static void
take_models(const struct admin *a, struct metrics_release *r)
{
	const struct config_release *c =
	    config_find_release(a->seed->config, r->set.name, strlen(r->set.name));

	for (unsigned arm = 0; arm < ARM_COUNT; arm++) {
		r->models[arm] = c != NULL ? c->arms[arm] : NULL;
		r->cooling_us[arm] = cooling_us(a, r->models[arm]);
		slots_standing(a->seed->slots, r->set.name, (enum arm)arm, &r->standings[arm],
		    &r->asked_wall_us[arm]);
	}
	r->guard = slots_guard(a->seed->slots, r->set.name);
}

static void
take_releases(struct admin *a)
{
	const struct policy *set = &a->policy.current;
	uint64_t revision = tally_get(&a->seed->slots->all[0].acked_revision);
	struct policy published;
	bool known = true;

	/* It may have been acknowledged since it was read. */
	if (revision >= set->revision)
		published = *set;
	else
		known = policy_read(a->seed->policy, revision, &published);
	a->metrics->n_releases = set->n_releases;
	for (unsigned i = 0; i < set->n_releases; i++) {
		struct metrics_release *r = &a->metrics->releases[i];
		const struct policy_release *then =
		    known ? policy_find(&published, set->releases[i].name) : NULL;

		r->set = set->releases[i];
		r->published_known = known;
		r->published_bp = then != NULL ? then->share_bp : 0;
		take_models(a, r);
	}
}

static void
sum_all(struct admin *a)
{
	struct metrics *m = a->metrics;

	slots_sum_overall(a->seed->slots, &m->overall);
	m->n_clients = slots_sum_clients(a->seed->slots, m->clients);
	for (unsigned i = 0; i < m->n_releases; i++)
		slots_sum_release(a->seed->slots, m->releases[i].set.name,
		    m->releases[i].set.share_revision, &m->releases[i].totals);
}

/* False: the master stopped while it moved the figures of a dead worker. */
static bool
collect(struct admin *a)
{
	const struct timespec nap = { .tv_nsec = 1000 * US_PER_MS };
	struct metrics *m = a->metrics;
	struct crew crew;

	look_at_policy(a);
	count_crew(a, &crew);
	m->version = GRAYD_VERSION;
	m->started_wall_us = a->seed->started_wall_us;
	m->uptime_us = clock_mono_us() - a->seed->started_mono_us;
	m->revision = a->policy.current.revision;
	for (unsigned state = 0; state < SLOT_GONE; state++)
		m->workers[state] = crew.workers[state];
	take_releases(a);
	for (unsigned i = 0; i < WHOLE_TRIES; i++) {
		uint64_t begun = slots_read_begin(a->seed->slots);

		sum_all(a);
		m->insane_slots = m->overall.insane;
		if (slots_read_whole(a->seed->slots, begun))
			return true;
		nanosleep(&nap, NULL);
	}
	return false;
}

/* ---- what is served: each returns the status, or -1 without memory ----------------------------
 */

static int
serve_metrics(struct admin *a, struct buf *text)
{
	if (!collect(a))
		return buf_adds(text, "the master has stopped in the middle of a sum\n") < 0 ? -1
											     : 503;
	return metrics_print(a->metrics, text) < 0 ? -1 : 200;
}

static int
serve_health(struct admin *a, struct buf *text)
{
	(void)a;
	return buf_adds(text, "ok\n") < 0 ? -1 : 200;
}

static int
serve_readiness(struct admin *a, struct buf *text)
{
	struct crew crew;
	uint64_t spread_us;

	look_at_policy(a);
	count_crew(a, &crew);
	spread_us = clock_mono_us() - a->policy.current.published_mono_us;
	if (tally_get(&a->seed->slots->all[0].serving) == 0)
		return buf_adds(text, "the providers are being asked for their models\n") < 0 ? -1
											      : 503;
	if (crew.workers[SLOT_READY] == 0)
		return buf_adds(text, "no worker is ready\n") < 0 ? -1 : 503;
	if (crew.behind > 0 && spread_us > SPREAD_US)
		return buf_addf(text, "%u of %u workers do not follow revision %llu yet\n",
			   crew.behind, crew.current,
			   (unsigned long long)a->policy.current.revision) < 0
			   ? -1
			   : 503;
	return buf_addf(text, "ok: workers ready: %llu\n",
		   (unsigned long long)crew.workers[SLOT_READY]) < 0
		   ? -1
		   : 200;
}

#define PLAIN_TYPE   "text/plain; charset=utf-8"
#define METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"

static const struct {
	const char *path, *type;
	int (*serve)(struct admin *a, struct buf *text);
} endpoints[] = {
	{ "/metrics", METRICS_TYPE, serve_metrics },
	{ "/healthz", PLAIN_TYPE, serve_health },
	{ "/readyz", PLAIN_TYPE, serve_readiness },
};
#define N_ENDPOINTS (sizeof(endpoints) / sizeof(endpoints[0]))

static int
serve_error(struct buf *text, int status, const char *why)
{
	return buf_addf(text, "%s\n", why) < 0 ? -1 : status;
}

static bool
is_path(struct http_span path, const uint8_t *bytes, const char *text)
{
	return path.len == strlen(text) && memcmp(bytes + path.off, text, path.len) == 0;
}

/* Fills a->text; `type` is set where it is not plain text. */
static int
serve(struct admin *a, const struct http_head *head, const uint8_t *bytes, const char **type)
{
	if (head->error_status != 0)
		return serve_error(&a->text, head->error_status, head->error_text);
	for (size_t i = 0; i < N_ENDPOINTS; i++) {
		if (!is_path(head->path, bytes, endpoints[i].path))
			continue;
		if (head->method != HTTP_GET && head->method != HTTP_HEAD)
			return serve_error(&a->text, 405, "only GET and HEAD are served here");
		if (head->has_body)
			return serve_error(&a->text, 400, "a request with a body makes no sense");
		*type = endpoints[i].type;
		return endpoints[i].serve(a, &a->text);
	}
	return serve_error(&a->text, 404, "there are /metrics, /healthz and /readyz");
}

int
admin_answer(struct admin *a, const struct http_head *head, const uint8_t *bytes, bool close,
    struct buf *out)
{
	const char *type = PLAIN_TYPE;
	struct head_out h;
	int status, rc;

	status = serve(a, head, bytes, &type);
	if (status < 0) {
		buf_free(&a->text);
		return -1;
	}
	head_begin(&h, (unsigned)status);
	head_line(&h, "content-type", type);
	head_number(&h, "content-length", buf_len(&a->text));
	head_line(&h, "cache-control", "no-store");
	if (status == 405)
		head_line(&h, "allow", "GET, HEAD");
	if (close)
		head_line(&h, "connection", "close");
	else if (head->minor == 0)
		head_line(&h, "connection", "keep-alive");
	head_end(&h);
	rc = buf_add(out, h.bytes, h.n);
	if (rc == 0 && (head->error_status != 0 || head->method != HTTP_HEAD))
		rc = buf_add(out, buf_bytes(&a->text), buf_len(&a->text));
	buf_consume(&a->text, buf_len(&a->text));
	return rc;
}

/* ---- the process -------------------------------------------------------------------------------
 */

static void
on_drain_over(void *arg)
{
	struct admin *a = arg;

	a->stop = true;
}

static void
start_accepting(struct admin *a)
{
	if (a->accepting || a->draining)
		return;
	a->accepting = event_add(&a->listen_event, NULL) == 0;
}

static void
start_draining(struct admin *a)
{
	if (a->draining)
		return;
	a->draining = true;
	event_del(&a->listen_event);
	deadline_fini(&a->accept_pause);
	close(a->seed->listen_fd);
	adminconn_drain_all(a);
	deadline_set(&a->drain_deadline, clock_mono_us() + DRAIN_US);
}

static void
on_master(evutil_socket_t fd, short what, void *arg)
{
	struct admin *a = arg;
	char message;
	int passed;
	ssize_t n;

	(void)what;
	while ((n = message_receive((int)fd, &message, &passed)) > 0) {
		if (message == MSG_SERVE)
			start_accepting(a);
		else if (message == MSG_DRAIN)
			start_draining(a);
		else if (message == MSG_LOG && passed >= 0)
			log_adopt(passed);
	}
	if (n == 0) {
		event_del(&a->master_event);
		start_draining(a);
	}
}

static void
on_listen(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	adminconn_accept_all(arg);
}

static void
on_pause_over(void *arg)
{
	struct admin *a = arg;

	if (!a->draining)
		event_add(&a->listen_event, NULL);
}

static int
set_up(struct admin *a, const struct admin_seed *seed)
{
	a->seed = seed;
	TAILQ_INIT(&a->conns);
	policy_reader_init(&a->policy, seed->policy);
	a->metrics = calloc(1, sizeof(*a->metrics));
	a->base = event_base_new();
	if (a->metrics == NULL || a->base == NULL)
		return -1;
	deadline_init(&a->accept_pause, a->base, on_pause_over, a);
	deadline_init(&a->drain_deadline, a->base, on_drain_over, a);
	event_assign(
	    &a->master_event, a->base, seed->master_fd, EV_READ | EV_PERSIST, on_master, a);
	event_assign(
	    &a->listen_event, a->base, seed->listen_fd, EV_READ | EV_PERSIST, on_listen, a);
	if (event_add(&a->master_event, NULL) < 0)
		return -1;
	if (!seed->held)
		start_accepting(a);
	return seed->held || a->accepting ? 0 : -1;
}

static void
tear_down(struct admin *a)
{
	adminconn_close_all(a);
	buf_free(&a->text);
	log_flush();
	event_base_free(a->base);
	free(a->metrics);
	free(a);
}

int
admin_main(const struct admin_seed *seed)
{
	static const char ready = MSG_READY;
	struct admin *a = calloc(1, sizeof(*a));

	if (a == NULL || set_up(a, seed) < 0) {
		log_event(LOG_ERROR, "admin_start", "out of memory");
		return 1;
	}
	setpriority(PRIO_PROCESS, 0, NICE);
	send(seed->master_fd, &ready, 1, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (!a->stop && !(a->draining && TAILQ_EMPTY(&a->conns))) {
		event_base_loop(a->base, EVLOOP_ONCE);
		if (log_pending())
			log_flush();
	}
	tear_down(a);
	return 0;
}
