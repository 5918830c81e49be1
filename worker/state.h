// SPDX-License-Identifier: MIT
/*
 * What one worker process knows: its config, its view of the policy, its connections and
 * upstreams. One thread, one loop; nothing here is shared with another process but `slot` and the
 * policy behind `policy`.
 */
#pragma once

#include <sys/queue.h>

#include "common/buf.h"
#include "common/hash.h"
#include "common/policy.h"
#include "worker/chat.h"
#include "worker/deadline.h"
#include "worker/gate.h"
#include "worker/retry.h"
#include "worker/worker.h"

#define SCRATCH_BYTES 65536

struct conn;
struct request;
struct upstream;

/* One release as this worker serves it. */
struct live_release {
	const struct config_release *config;
	const struct policy_release *policy; /* points into worker.policy.current; never NULL */
	struct policy_release translated;    /* what that is under a policy for other models */
	uint64_t models[ARM_COUNT];	     /* of its own config */
	struct slot_release *tally;
	uint64_t window_revision;
	uint64_t rollout_tag; /* seen_rollout_tag() of the present rollout */
	struct hash_key key;  /* for the buckets of sticky keys */
	struct retry_budget budget;
	struct upstream *upstreams[ARM_COUNT]; /* NULL where the arm is not configured */
	uint8_t key_index[STICKY_MAX]; /* sticky source -> worker.chat_keys or .header_names */
	uint32_t active;	       /* requests of it at work in this worker */
	uint32_t rescued, streaming;   /* in the present request_tell_rollbacks() */
};

struct worker {
	const struct worker_seed *seed;
	const struct config *config;
	struct slot *slot;
	struct seen_region *seen;
	struct event_base *base;
	struct policy_reader policy;
	struct live_release releases[RELEASES_MAX];
	struct slot_client **client_tallies; /* in the order of config.clients */
	struct chat_keys chat_keys; /* where sticky keys may come from, over all releases */
	unsigned n_header_names;
	const char *header_names[CHAT_KEYS_MAX];

	unsigned n_upstreams;
	struct upstream *upstreams; /* one a provider, in the order of config.providers */

	struct event listen_event, master_event, policy_event;
	struct deadline heartbeat, drain_deadline, accept_pause, log_timer;
	int listen_set; /* epoll set of the listening sockets, see listener.c */
	int reserve_fd; /* given up for a moment when descriptors run out */
	unsigned accepted_in_row;
	bool accepting, accept_paused; /* paused: for too many connections or too few descriptors */
	bool draining, master_gone, stop;
	bool hurried; /* draining, and nobody else serves: idle connections are not waited for */
	bool looking; /* inside worker_look_at_policy() */

	LIST_HEAD(, conn) conns;
	LIST_HEAD(, request) requests; /* routed and not finished */
	TAILQ_HEAD(, conn) dirty;      /* have output or input to look at before the turn ends */
	SLIST_HEAD(, conn) dead;       /* freed when the turn ends */
	unsigned n_conns;
	struct request *spare_requests;
	unsigned n_spare_requests;

	uint64_t random[4];	  /* state of worker_random() */
	struct hash_key auth_key; /* of this process; see auth.c */
	uint16_t *clients;	  /* by the hashes of their keys: number in the config + 1, or 0 */
	size_t clients_mask;
	struct gate *client_gates, *model_gates; /* as config.clients and config.models */
	time_t date_s;
	char date[40];			/* "Mon, 23 Nov 2026 13:11:09 GMT", of date_s */
	struct buf text;		/* error bodies and unescaped keys are built here */
	uint8_t scratch[SCRATCH_BYTES]; /* bytes just read from a client */
};

/* Makes the newest policy the one that decides, acknowledges it, and restarts what a rollback takes
 * from the candidate. Called before each decision, when the master says so, and, since a turn of a
 * busy loop is long, after each connection and each call that the turn has dealt with: nowhere
 * within a callback of libcurl. One load where nothing is new. */
void worker_look_at_policy(struct worker *w);
/* 64 random bits, not for secrets (xoshiro256**, Blackman and Vigna 2018). */
uint64_t worker_random(struct worker *w);
/* The time of day as HTTP writes it, made once a second. */
const char *worker_date(struct worker *w);
