// SPDX-License-Identifier: MIT
/*
 * The whole map of shared memory. Fixed-size plain structs, no pointers, no locks.
 *
 * Four regions:
 *   policy   the master publishes, workers read. A memfd sealed against any further writing, of
 *            which only the master holds a writable mapping, made before the seal.
 *   slots    one a worker: counters, histograms, errors, state. The worker that owns a slot is its
 *            only writer while it lives; after reaping it the master is. A worker maps nobody
 *            else's slot. Slot 0 belongs to the master: the sum of all workers that are gone.
 *   limits   what clients and models may still do: all workers write, by single-word
 *            compare-and-swap (common/window.h), or each in the column of its own seat. It outlives
 *            the master: at an upgrade the next one takes it over, see LIMITS_LAYOUT.
 *   seen     keys that the guard has seen, and seen fail: all workers write, by single-word
 *            compare-and-swap (common/seen.h).
 * A process may be killed at any instruction; nobody then waits for anything.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/outcome.h"

#define SHM_MAGIC  0x67726179u /* "gray" */
#define SHM_LAYOUT 4u

#define RELEASES_MAX	 64
#define CLIENTS_MAX	 4096
#define SLOTS_MAX	 129 /* slot 0 is the master's; twice 64 workers, for two generations */
#define WORKERS_MAX	 64
#define NAME_BYTES	 128 /* names of releases and models, with the terminating NUL */
#define REQUEST_ID_BYTES 64
#define POLICY_SLOTS	 8
#define ERRORS_KEPT	 50

enum arm { ARM_STABLE, ARM_CANDIDATE, ARM_COUNT };
extern const char *const arm_names[ARM_COUNT];

enum release_state {
#define STATE(id, ...) STATE_##id,
#include "common/states.def"
#undef STATE
	STATE_COUNT
};

enum counter {
#define COUNTER(id, ...) COUNTER_##id,
#include "common/counters.def"
#undef COUNTER
	COUNTER_COUNT
};

enum client_counter {
#define CLIENT_COUNTER(id, ...) CLIENT_COUNTER_##id,
#include "common/client_counters.def"
#undef CLIENT_COUNTER
	CLIENT_COUNTER_COUNT
};

/* What the guard counts and measures on answers: symptoms.def. */
enum symptom {
#define SYMPTOM(id, ...) SYMPTOM_##id,
#define VALUE(id, ...)
#include "common/symptoms.def"
#undef SYMPTOM
#undef VALUE
	SYMPTOM_COUNT
};

enum guard_value {
#define SYMPTOM(id, ...)
#define VALUE(id, ...) VALUE_##id,
#include "common/symptoms.def"
#undef SYMPTOM
#undef VALUE
	VALUE_COUNT
};

/* Kinds of requests, for people who ask what a comparison has seen: classes.def. */
enum request_class {
#define CLASS(id, ...) CLASS_##id,
#include "common/classes.def"
#undef CLASS
	CLASS_COUNT
};

/* ---- policy ---------------------------------------------------------------------------------- */

enum hold_reason {
#define HOLD(id, ...) HOLD_##id,
#include "common/holds.def"
#undef HOLD
	HOLD_COUNT
};

/* One release as every worker must treat it now. Found by name, never by position. Workers look at
 * the share, the stage, the state and `cut`; the rest is what a new master goes on from. */
struct policy_release {
	char name[NAME_BYTES];
	uint64_t rollout_id;	 /* the revision that began the rollout; 0: none has begun */
	uint64_t revision;	 /* of the policy that last changed this release */
	uint64_t share_revision; /* of the policy that last changed its share */
	uint64_t changed_wall_us;
	uint64_t freeze_until_us; /* wall clock; 0: until it is ended */
	uint32_t waived;	  /* bits, release_waivable(): ignored in this rollout */
	uint16_t share_bp; /* published share of the candidate, hundredths of a percent, 0..10000 */
	uint16_t stage_percent; /* the stage it belongs to; with `weight` the share, rounded */
	uint8_t state;		/* enum release_state */
	uint8_t held_state;	/* on hold: the state to go back to; else as `state` */
	uint8_t hold;		/* enum hold_reason; HOLD_NONE unless on hold */
	uint8_t frozen;		/* 1: neither start nor advance */
	uint8_t cut;		/* rolled back with --cut: streams of the candidate end too */
	uint8_t reserved[3];
	/* modelid(): whose shares these are. A worker under another config, which has other models
	 * for the release, must not send them this share. */
	uint64_t models[ARM_COUNT];
};

struct policy {
	uint64_t revision; /* +1 per transition, never reused; the first published is 1 */
	uint64_t published_mono_us;
	uint32_t n_releases;
	uint32_t reserved;
	struct policy_release releases[RELEASES_MAX];
};

struct policy_slot {
	uint64_t revision;
	uint64_t length;   /* sizeof(struct policy) */
	uint64_t checksum; /* hash64 over `policy` with a fixed key */
	struct policy policy;
};

struct policy_region {
	uint32_t magic, layout;
	_Atomic uint64_t
	    published; /* revision; its slot is published % POLICY_SLOTS; 0: none yet */
	struct policy_slot slots[POLICY_SLOTS];
};

/* ---- slots ----------------------------------------------------------------------------------- */

/* Values are microseconds. Log-linear: exact below 2^HIST_SUB_BITS, then 2^HIST_SUB_BITS buckets an
 * octave, so a bucket is at most 1/16 of its value wide. Values of 2^HIST_OCTAVES and more are
 * counted in the last bucket. */
#define HIST_SUB_BITS 4
#define HIST_OCTAVES  36
#define HIST_BUCKETS  ((HIST_OCTAVES - HIST_SUB_BITS + 1) << HIST_SUB_BITS)

struct histogram {
	_Atomic uint64_t count, sum_us;
	_Atomic uint64_t buckets[HIST_BUCKETS];
};

struct slot_arm {
	_Atomic uint64_t counters[COUNTER_COUNT];
	_Atomic uint64_t finished[OUTCOME_COUNT]; /* requests assigned here, by how they ended */
	_Atomic uint64_t attempts[OUTCOME_COUNT]; /* attempts made here, by how they ended */
	_Atomic uint64_t
	    fallbacks[OUTCOME_COUNT]; /* requests assigned here that fell back, by why */
	_Atomic uint64_t window;      /* requests split to this arm since the share last changed */
	struct histogram latency_us,
	    first_token_us;		/* of requests assigned here that ended well here */
	_Atomic uint32_t standing;	/* slot 0 only: enum standing of this arm's model */
	_Atomic uint64_t asked_wall_us; /* slot 0 only: when its provider said so; 0: never */
};

/* What became of the request whose attempt has failed. */
enum error_saved {
	SAVED_NOT,	   /* the client got no good answer */
	SAVED_BY_RETRY,	   /* a later attempt at the same model gave one */
	SAVED_BY_FALLBACK, /* the other model gave one */
	SAVED_COUNT
};
extern const char *const error_saved_names[SAVED_COUNT]; /* "no", "retry", "fallback" */

/* A torn entry is recognised by sequence_begin != sequence_end and skipped. */
struct errring_entry {
	_Atomic uint64_t sequence_begin;
	uint64_t wall_us;
	char request_id[REQUEST_ID_BYTES];
	char model[NAME_BYTES]; /* as its provider calls it */
	char provider[NAME_BYTES];
	char code[64];	   /* the provider's own error code or type; empty: none */
	char message[240]; /* the provider's own words or ours; bounded, printable, no secrets */
	uint16_t status;   /* HTTP status of the provider; 0: none */
	uint8_t arm, outcome;
	uint8_t attempt; /* 1: the first of its request */
	uint8_t saved;	 /* enum error_saved */
	uint8_t reserved[2];
	_Atomic uint64_t sequence_end;
};

struct errring {
	_Atomic uint64_t written; /* entries ever written; entry i stands at i % ERRORS_KEPT */
	struct errring_entry entries[ERRORS_KEPT];
};

/* ---- evidence: what the guard compares ------------------------------------------------------- */

/* From here on hardly anybody is left on stable to compare with. */
#define EVIDENCE_ALONE_BP 9000
#define EVIDENCE_SHARES	  16 /* different shares in one rollout; later ones are not counted */
/* Of milliseconds, tokens, millionths of a USD: log-linear, exact below 4, then four an octave. */
#define EVIDENCE_OCTAVES 18
#define EVIDENCE_BUCKETS ((EVIDENCE_OCTAVES - 1) * 4)
/* Logarithms are summed in units of 1/256: a whole number, and its square, each. */
#define EVIDENCE_LOG_UNIT 256

/* Once as the workers write it, and once as the master adds it up. */
#define EVIDENCE_VALUE(WORD)                                                         \
	{                                                                            \
		/* of the logarithms of microseconds, tokens, billionths of a USD */ \
		WORD n, sum, squares;                                                \
		WORD buckets[EVIDENCE_BUCKETS];                                      \
	}
#define EVIDENCE_ARM(WORD, VALUE)                                                                  \
	{                                                                                          \
		WORD assigned; /* first requests of keys, and those without, by the split */       \
		WORD requests; /* that ended, and count */                                         \
		WORD firsts;   /* those of them that were the first of their key, or had none */   \
		WORD bad[SYMPTOM_COUNT];	/* of `requests` */                                \
		WORD bad_firsts[SYMPTOM_COUNT]; /* of `firsts` */                                  \
		WORD bad_keys[SYMPTOM_COUNT]; /* first bad requests of keys, and those without */  \
		/* Known keys, each once in a while, from EVIDENCE_ALONE_BP on: for the breaker */ \
		WORD again, bad_again[SYMPTOM_COUNT];                                              \
		WORD praised;		   /* of `firsts`: a judge called them good */             \
		WORD classes[CLASS_COUNT]; /* of `requests` */                                     \
		VALUE values[VALUE_COUNT]; /* of those of `firsts` that ended well */              \
	}
struct slot_value EVIDENCE_VALUE(_Atomic uint64_t);
struct slot_evidence_arm EVIDENCE_ARM(_Atomic uint64_t, struct slot_value);

/* Of one rollout of one release. A share's place is taken by the first request under it. */
struct slot_evidence {
	_Atomic uint64_t rollout_id; /* 0: none, and while it is emptied for another */
	_Atomic uint64_t uncounted;  /* requests left out since a table of keys was full */
	_Atomic uint64_t
	    shares[EVIDENCE_SHARES]; /* share_bp + 1; 0: this and all behind are free */
	struct slot_evidence_arm arms[EVIDENCE_SHARES][ARM_COUNT];
};

enum guard_gauge {
#define GAUGE(id, ...) GAUGE_##id,
#include "common/gauges.def"
#undef GAUGE
	GAUGE_SYMPTOMS, /* two for each: against, for */
	GAUGE_COUNT = GAUGE_SYMPTOMS + 2 * SYMPTOM_COUNT
};

/* Slot 0 only: what the guard thought last. */
struct slot_guard {
	_Atomic uint64_t rollout_id;	    /* 0: it watches none */
	_Atomic uint64_t verdict;	    /* 1 + daemon's enum verdict_kind */
	_Atomic uint64_t uncounted;	    /* requests that a full table of keys left out */
	_Atomic uint64_t logs[GAUGE_COUNT]; /* natural logarithms of evidence: bits of doubles */
};

struct slot_release {
	char name[NAME_BYTES]; /* written by the worker before its first count */
	_Atomic uint64_t
	    window_revision; /* revision of the release's share that `window` counts for */
	/* What the worker did when it first saw the release rolled back by this revision. */
	_Atomic uint64_t rolled_back_revision;
	_Atomic uint64_t rescued;	  /* requests taken from the candidate and sent to stable */
	_Atomic uint64_t streaming;	  /* answers of the candidate that had begun */
	_Atomic uint64_t candidate_at_us; /* clock_mono_us() of the last candidate attempt */
	struct slot_arm arms[ARM_COUNT];
	struct errring errors;
	struct slot_guard guard;
	struct slot_evidence evidence;
} __attribute__((aligned(128)));

struct slot_client {
	char name[NAME_BYTES]; /* written by the worker before its first count */
	_Atomic uint64_t counters[CLIENT_COUNTER_COUNT];
};

enum slot_state { SLOT_FREE, SLOT_STARTING, SLOT_READY, SLOT_DRAINING, SLOT_GONE };

struct slot {
	_Atomic uint32_t state; /* enum slot_state */
	_Atomic uint32_t pid;
	_Atomic uint64_t generation;
	_Atomic uint64_t heartbeat_us; /* clock_mono_us() */
	_Atomic uint64_t
	    acked_revision;	      /* no decision under an older policy will be made any more */
	_Atomic uint64_t acked_us;    /* clock_mono_us() of that; written before it */
	_Atomic uint64_t bad_policy;  /* policy slots that failed their check */
	_Atomic uint64_t started;     /* requests whose head was accepted; written first */
	_Atomic uint64_t finished;    /* requests that ended, however; written last */
	_Atomic uint64_t rejected;    /* refused before they had a release; also in finished */
	_Atomic uint64_t malformed;   /* connections closed for bytes that are not HTTP */
	_Atomic uint64_t connections; /* accepted ever */
	_Atomic uint64_t open;	      /* client connections open now */
	_Atomic uint64_t in_flight[RELEASES_MAX][ARM_COUNT]; /* requests now, by assigned arm */
	_Atomic uint64_t log_dropped; /* log lines dropped since the log could not take them */
	_Atomic uint64_t lost;	      /* slot 0 only: requests that died with their worker */
	_Atomic uint64_t restarts;    /* slot 0 only: workers that were replaced */
	_Atomic uint64_t folds; /* slot 0 only: odd while a dead worker's slot is added to it */
	_Atomic uint64_t journal_errors;  /* slot 0 only: failures to write the journal */
	_Atomic uint64_t serving;	  /* slot 0 only: 1 once the first generation may accept */
	_Atomic uint64_t journal_failing; /* slot 0 only: 1 while it cannot be written */
	_Atomic uint64_t stall_us;	  /* slot 0 only: longest delay of the master's clock */
	_Atomic uint32_t n_releases;
	struct slot_release releases[RELEASES_MAX];
	_Atomic uint32_t n_clients;
	struct slot_client clients[CLIENTS_MAX];
} __attribute__((aligned(4096)));

/* ---- limits ---------------------------------------------------------------------------------- */

/* Raise it with every change below: a new binary that finds another number begins with limits of
 * which nothing is used. */
#define LIMITS_LAYOUT 1u

#define LIMITERS_MAX 10240 /* number 0 is nobody's; clients and models of two configs */
#define SEATS_MAX    256   /* workers at a time, of masters before this one too; 0 is nobody's */
#define LIMITS_CELLS (20u << 20)

enum limiter_state { LIMITER_FREE, LIMITER_PREPARED, LIMITER_USED, LIMITER_LEFT };
enum limiter_kind { LIMITER_CLIENT, LIMITER_MODEL };

/* Where the times of the last admissions stand; see common/window.h. */
struct limiter_ring {
	_Atomic uint64_t first, capacity; /* in `cells`, by the master; capacity 0: none */
	_Atomic uint64_t admitted;	  /* by all workers */
};

/* What limits one client or one model. It is found by name and kind, never by position, and keeps
 * its number as long as any worker may use it. */
struct limiter {
	/* The master writes these. */
	char name[NAME_BYTES];
	_Atomic uint32_t state, kind;
	_Atomic uint64_t rate;		/* admissions in any WINDOW_SPAN_US; 0: no limit */
	_Atomic uint64_t max_in_flight; /* 0: no limit */
	_Atomic uint32_t ring;		/* which of `rings` holds now */
	struct limiter_ring rings[2];
	/* All workers write these. */
	_Atomic uint64_t cooling
	    __attribute__((aligned(128))); /* a model: until when (us) << 8 | enum limiter_cause */
	_Atomic uint64_t waiters[SEATS_MAX / 64]; /* bits: seats with a queue */
	_Atomic uint32_t counts_in_flight;	  /* 1: `in_flight` was ever used */
} __attribute__((aligned(128)));

struct limits_region {
	uint32_t magic, layout;
	_Atomic uint64_t cells_top; /* cells behind it were never used */
	_Atomic uint32_t limiters_top;
	_Atomic uint32_t seats_top;	   /* seats behind it were never taken */
	_Atomic uint32_t seats[SEATS_MAX]; /* pid of the worker; 0: free */
	struct limiter limiters[LIMITERS_MAX];
	/* A column belongs to the worker of its seat; the master zeroes it when that is gone. */
	_Atomic uint64_t waiting[LIMITERS_MAX][SEATS_MAX]; /* see limiter_queue() */
	_Atomic uint32_t in_flight[LIMITERS_MAX][SEATS_MAX];
	_Atomic uint64_t cells[LIMITS_CELLS];
};

_Static_assert(sizeof(struct policy_release) == 200, "policy layout");
_Static_assert(offsetof(struct policy, releases) == 24, "policy layout");
_Static_assert(sizeof(struct slot) % 4096 == 0, "slots are whole pages");
_Static_assert(sizeof(struct limiter) == 384, "limits layout");
_Static_assert(sizeof(_Atomic uint64_t) == 8, "counters are single words");
_Static_assert(RELEASES_MAX <= UINT16_MAX && OUTCOME_COUNT <= UINT8_MAX, "indices fit");

/* One writer: a plain add, without a locked instruction. */
static inline void
tally_add(_Atomic uint64_t *c, uint64_t n)
{
	atomic_store_explicit(
	    c, atomic_load_explicit(c, memory_order_relaxed) + n, memory_order_relaxed);
}

static inline uint64_t
tally_get(const _Atomic uint64_t *c)
{
	return atomic_load_explicit(c, memory_order_relaxed);
}
