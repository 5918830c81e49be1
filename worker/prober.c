// SPDX-License-Identifier: MIT
/*
 * The prober: a process that asks providers for their models, all of a round at once, and tells the
 * master what they say. It decides nothing and touches no request. A loop of its own around
 * curl_multi_poll(): nothing here is in a hurry, and libevent would add nothing. It ends when the
 * master says so or is gone.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "worker/asking.h"
#include "worker/message.h"
#include "worker/worker.h"

#define NICE	  5
#define TURN_MS	  1000 /* of the loop, when nothing happens */
#define REPORT_MS 1000 /* for the master to take one */

struct prober {
	const struct prober_seed *seed;
	CURLM *multi;
	struct asking *askings;
	bool leave;
};

/* ---- reports --------------------------------------------------------------------------------- */

/* A master that takes nothing is busy or gone; it asks again if it is not. */
static void
send_report(const struct prober *p, const struct probe_report *r)
{
	struct pollfd room = { .fd = p->seed->master_fd, .events = POLLOUT };

	while (send(p->seed->master_fd, r, sizeof(*r), MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN || poll(&room, 1, REPORT_MS) <= 0)
			return;
	}
}

static void
report(const struct prober *p, uint32_t round, uint16_t model, const struct finding *f)
{
	struct probe_report r;

	memset(&r, 0, sizeof(r));
	r.kind = PROBE_REPORT;
	r.round = round;
	r.model = model;
	r.finding = *f;
	send_report(p, &r);
}

/* Takes the asking out of the list and frees it. */
static void
end_asking(struct prober *p, struct asking *a)
{
	struct asking **at = &p->askings;

	while (*at != a)
		at = &(*at)->next;
	*at = a->next;
	asking_hide_key(a);
	for (unsigned i = 0; i < a->inquiry.n; i++) {
		const struct inquired *m = &a->inquiry.models[i];

		log_event(LOG_DEBUG, "asked", "provider %s, model %s: %s%s%s", a->provider->name,
		    m->name, standing_name(m->finding.standing),
		    m->finding.why[0] != '\0' ? ", " : "", m->finding.why);
		report(p, a->round, m->model, &m->finding);
	}
	asking_free(a);
}

/* ---- orders ---------------------------------------------------------------------------------- */

/* `provider` may be NULL: any. */
static struct asking *
find_asking(struct prober *p, const struct config_provider *provider, uint32_t round)
{
	for (struct asking *a = p->askings; a != NULL; a = a->next) {
		if (a->round == round && (provider == NULL || a->provider == provider))
			return a;
	}
	return NULL;
}

/* Puts a model with the others of its provider. */
static void
add_model(struct prober *p, uint32_t round, uint16_t number)
{
	static const struct finding failed = { .standing = STANDING_UNREACHABLE,
		.why = "out of memory" };
	const struct config_model *model = &p->seed->config->models[number];
	struct asking *a = find_asking(p, model->provider, round);

	if (a == NULL) {
		a = asking_new(p->multi, model->provider);
		if (a == NULL) {
			report(p, round, number, &failed);
			return;
		}
		a->round = round;
		a->deadline_us = clock_mono_us() + PROBE_MS * US_PER_MS;
		a->next = p->askings;
		p->askings = a;
	}
	inquiry_add(&a->inquiry, number, model->name);
}

static void
obey(struct prober *p, const void *packet, size_t n)
{
	struct probe_order order;
	struct asking *a, *next;

	if (!probe_order_read(&order, packet, n, p->seed->config->n_models)) {
		log_event(LOG_ERROR, "bad_order", "the master sent %zu bytes that are no order", n);
		return;
	}
	if (find_asking(p, NULL, order.round) != NULL)
		return; /* it is being asked for */
	for (uint32_t i = 0; i < order.n; i++)
		add_model(p, order.round, order.models[i]);
	for (a = p->askings; a != NULL; a = next) {
		next = a->next;
		if (a->round == order.round && !asking_go_on(a))
			end_asking(p, a);
	}
}

static void
listen_to_master(struct prober *p)
{
	char packet[sizeof(struct probe_order) + 1];
	int passed;
	ssize_t n;

	while (
	    (n = message_receive_long(p->seed->master_fd, packet, sizeof(packet), &passed)) > 0) {
		if (packet[0] == PROBE_ORDER)
			obey(p, packet, (size_t)n);
		else if (packet[0] == MSG_DRAIN)
			p->leave = true;
		else if (packet[0] == MSG_LOG && passed >= 0)
			log_adopt(passed);
		else if (passed >= 0)
			close(passed);
	}
	p->leave |= n == 0;
}

/* ---- the loop -------------------------------------------------------------------------------- */

static void
reap(struct prober *p)
{
	CURLMsg *msg;
	int left;

	while ((msg = curl_multi_info_read(p->multi, &left)) != NULL) {
		CURLcode code = msg->data.result;
		struct asking *a = NULL;

		if (msg->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &a);
		if (!asking_ended(a, code))
			end_asking(p, a);
	}
}

/* Ends what has had its time. Returns how long the loop may wait for the next one. */
static int
look_at_clock(struct prober *p)
{
	uint64_t now_us = clock_mono_us(), wait_us = TURN_MS * US_PER_MS;
	struct asking *a, *next;

	for (a = p->askings; a != NULL; a = next) {
		next = a->next;
		if (now_us >= a->deadline_us) {
			asking_stop(a);
			end_asking(p, a);
		} else if (a->deadline_us - now_us < wait_us) {
			wait_us = a->deadline_us - now_us;
		}
	}
	return (int)(wait_us / US_PER_MS) + 1;
}

static void
turn(struct prober *p)
{
	struct curl_waitfd master = { .fd = p->seed->master_fd, .events = CURL_WAIT_POLLIN };
	int running, wait_ms;

	curl_multi_perform(p->multi, &running);
	reap(p);
	wait_ms = look_at_clock(p);
	curl_multi_poll(p->multi, &master, 1, wait_ms, NULL);
	listen_to_master(p);
	log_flush();
}

int
prober_main(const struct prober_seed *seed)
{
	static const char ready = MSG_READY;
	struct prober p = { .seed = seed };

	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK ||
	    (p.multi = curl_multi_init()) == NULL) {
		log_event(LOG_ERROR, "prober_start", "libcurl cannot be initialised");
		return 1;
	}
	setpriority(PRIO_PROCESS, 0, NICE);
	send(seed->master_fd, &ready, 1, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (!p.leave)
		turn(&p);
	while (p.askings != NULL) {
		struct asking *a = p.askings;

		p.askings = a->next;
		curl_multi_remove_handle(p.multi, a->easy);
		asking_free(a);
	}
	curl_multi_cleanup(p.multi);
	curl_global_cleanup();
	return 0;
}
