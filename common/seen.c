// SPDX-License-Identifier: MIT
/* Keys and answers that a rollout has met, see seen.h. Open addressing, linear, bounded. */
#include "common/seen.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/hash.h"

static struct seen_region *
map_region(int fd)
{
	void *at = mmap(NULL, sizeof(struct seen_region), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_NORESERVE, fd, 0);

	return at == MAP_FAILED ? NULL : at;
}

struct seen_region *
seen_create(int *fd, struct err *e)
{
	struct seen_region *s = NULL;

	*fd = memfd_create("grayd-seen", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (*fd >= 0 && ftruncate(*fd, (off_t)sizeof(*s)) == 0 &&
	    fcntl(*fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0)
		s = map_region(*fd);
	if (s != NULL && madvise(s, sizeof(*s), MADV_DONTFORK) == 0)
		return s;
	err_sys(e, "cannot make the memory of sticky keys");
	seen_destroy(s, *fd);
	*fd = -1;
	return NULL;
}

struct seen_region *
seen_map(int fd, struct err *e)
{
	struct seen_region *s = map_region(fd);

	if (s == NULL)
		err_sys(e, "cannot map the memory of sticky keys");
	return s;
}

void
seen_destroy(struct seen_region *s, int fd)
{
	if (s != NULL)
		munmap(s, sizeof(*s));
	if (fd >= 0)
		close(fd);
}

/* ---- keys ------------------------------------------------------------------------------------ */

/* Murmur3's finalizer: a bijection that spreads every bit. */
static uint64_t
mix(uint64_t x)
{
	x = (x ^ (x >> 33)) * UINT64_C(0xff51afd7ed558ccd);
	x = (x ^ (x >> 33)) * UINT64_C(0xc4ceb9fe1a85ec53);
	return x ^ (x >> 33);
}

uint64_t
seen_digest(uint64_t key_hash, uint64_t rollout_id, uint64_t number)
{
	uint64_t digest = mix(key_hash ^ mix(rollout_id + mix(number + 1)));

	return digest != 0 ? digest : 1;
}

enum seen_result
seen_meet(struct seen_region *s, enum seen_table table, uint64_t digest)
{
	for (unsigned i = 0; i < SEEN_PROBES; i++) {
		_Atomic uint64_t *place = &s->digests[table][(digest + i) % SEEN_PLACES];
		uint64_t found = tally_get(place);

		if (found == 0 && atomic_compare_exchange_strong_explicit(place, &found, digest,
				      memory_order_relaxed, memory_order_relaxed))
			return SEEN_NEW;
		if (found == digest)
			return SEEN_KNOWN;
	}
	return SEEN_FULL;
}

bool
seen_crowded(const struct seen_region *s)
{
	enum { SAMPLES = 64 };
	unsigned taken = 0;

	for (unsigned i = 0; i < SAMPLES; i++)
		taken += tally_get(&s->digests[SEEN_KEYS][i * (SEEN_PLACES / SAMPLES) + i]) != 0;
	return taken > SAMPLES / 2;
}

void
seen_forget(struct seen_region *s)
{
	if (madvise(s->digests, sizeof(s->digests), MADV_REMOVE) != 0)
		memset(s->digests, 0, sizeof(s->digests));
}

/* ---- answers --------------------------------------------------------------------------------- */

#define WHAT_CANDIDATE (1u << 16)
#define WHAT_FIRST     (1u << 17)
#define WHAT_KNOWN     (1u << 18) /* so that it is never 0 */

static uint64_t
check_of(uint64_t tag, uint64_t what, uint64_t key)
{
	return mix(tag ^ mix(what ^ mix(key + 1)));
}

uint64_t
seen_rollout_tag(const char *release, uint64_t rollout_id)
{
	static const struct hash_key key = { "grayd-judge-rel" };

	return mix(hash64(&key, release, strlen(release)) + mix(rollout_id));
}

uint64_t
seen_answer_tag(uint64_t rollout_tag, const char *request_id)
{
	static const struct hash_key key = { "grayd-judge-id" };
	uint64_t tag = rollout_tag ^ hash64(&key, request_id, strlen(request_id));

	return tag != 0 ? tag : 1;
}

static struct seen_answer *
place_of(struct seen_region *s, uint64_t tag)
{
	return &s->answers[tag % ANSWERS_PLACES];
}

static void
set(_Atomic uint64_t *word, uint64_t value)
{
	atomic_store_explicit(word, value, memory_order_relaxed);
}

void
seen_answer_put(struct seen_region *s, uint64_t tag, const struct seen_facts *f)
{
	struct seen_answer *a = place_of(s, tag);
	uint64_t what = f->share_bp | (f->arm == ARM_CANDIDATE ? WHAT_CANDIDATE : 0) |
			(f->first ? WHAT_FIRST : 0) | WHAT_KNOWN;

	set(&a->tag, tag);
	set(&a->what, what);
	set(&a->key, f->key);
	set(&a->check, check_of(tag, what, f->key));
}

bool
seen_answer_take(struct seen_region *s, uint64_t tag, struct seen_facts *out)
{
	struct seen_answer *a = place_of(s, tag);
	uint64_t what = tally_get(&a->what), key = tally_get(&a->key);

	if (tally_get(&a->tag) != tag || tally_get(&a->check) != check_of(tag, what, key))
		return false;
	set(&a->check, 0);
	out->share_bp = what & 0xffff;
	out->arm = what & WHAT_CANDIDATE ? ARM_CANDIDATE : ARM_STABLE;
	out->first = (what & WHAT_FIRST) != 0;
	out->key = key;
	return out->share_bp <= HASH_BUCKETS;
}
