// SPDX-License-Identifier: MIT
/* Keys and answers that a rollout has met, see seen.h. Open addressing, linear, bounded. */
#include "common/seen.h"

#include <fcntl.h>
#include <stddef.h>
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

#define SAMPLES 64

/* Of as many places. */
static unsigned
sample(const struct seen_region *s, enum seen_table table)
{
	unsigned taken = 0;

	for (unsigned i = 0; i < SAMPLES; i++)
		taken += tally_get(&s->digests[table][i * (SEEN_PLACES / SAMPLES) + i]) != 0;
	return taken;
}

bool
seen_crowded(const struct seen_region *s)
{
	return sample(s, SEEN_KEYS) > SAMPLES / 2;
}

void
seen_forget(struct seen_region *s)
{
	if (madvise(s->digests, sizeof(s->digests), MADV_REMOVE) != 0)
		memset(s->digests, 0, sizeof(s->digests));
}

/* ---- keys as bytes --------------------------------------------------------------------------- */

uint64_t
seen_save_bytes(const struct seen_region *s)
{
	uint64_t taken = 0;

	for (unsigned table = 0; table < SEEN_TABLES; table++)
		taken += sample(s, (enum seen_table)table);
	return taken * (sizeof(s->digests[0]) / SAMPLES);
}

static int
save_words(const uint64_t *words, size_t n, struct buf *out, uint64_t *count)
{
	for (size_t i = 0; i < n; i++) {
		if (words[i] == 0)
			continue;
		if (buf_add(out, &words[i], sizeof(words[i])) != 0)
			return -1;
		++*count;
	}
	return 0;
}

/* Holes are passed over: reading them through a mapping would fill them. */
static int
save_table(int fd, off_t at, off_t end, struct buf *out, uint64_t *count, struct err *e)
{
	uint64_t words[4096];

	while ((at = lseek(fd, at, SEEK_DATA)) >= 0 && at < end) {
		size_t most = end - at < (off_t)sizeof(words) ? (size_t)(end - at) : sizeof(words);
		ssize_t got = pread(fd, words, most, at);

		if (got <= 0 || got % (ssize_t)sizeof(words[0]) != 0)
			return err_sys(e, "the memory of sticky keys cannot be read");
		if (save_words(words, (size_t)got / sizeof(words[0]), out, count) != 0)
			return err_set(e, "out of memory for sticky keys");
		at += got;
	}
	return 0;
}

int
seen_save(int fd, struct buf *out, struct err *e)
{
	const struct seen_region *s = NULL;

	for (unsigned table = 0; table < SEEN_TABLES; table++) {
		off_t at =
		    (off_t)(offsetof(struct seen_region, digests) + table * sizeof(s->digests[0]));
		size_t head = buf_len(out);
		uint64_t count = 0;

		if (buf_add(out, &count, sizeof(count)) != 0)
			return err_set(e, "out of memory for sticky keys");
		if (save_table(fd, at, at + (off_t)sizeof(s->digests[0]), out, &count, e) != 0)
			return -1;
		memcpy(buf_bytes(out) + head, &count, sizeof(count));
	}
	return 0;
}

/* The digests of the next table, behind its count. NULL: there are not so many bytes. */
static const uint8_t *
open_table(const uint8_t **at, size_t *left, uint64_t *count)
{
	const uint8_t *digests;

	if (*left < sizeof(*count))
		return NULL;
	memcpy(count, *at, sizeof(*count));
	*left -= sizeof(*count);
	if (*count > SEEN_PLACES || *count * sizeof(uint64_t) > *left)
		return NULL;
	digests = *at + sizeof(*count);
	*at = digests + *count * sizeof(uint64_t);
	*left -= *count * sizeof(uint64_t);
	return digests;
}

int
seen_load(struct seen_region *s, const void *bytes, size_t n)
{
	const uint8_t *at = bytes, *digests[SEEN_TABLES];
	uint64_t counts[SEEN_TABLES], digest;

	for (unsigned table = 0; table < SEEN_TABLES; table++) {
		digests[table] = open_table(&at, &n, &counts[table]);
		if (digests[table] == NULL)
			return -1;
	}
	if (n != 0)
		return -1;
	for (unsigned table = 0; table < SEEN_TABLES; table++) {
		for (uint64_t i = 0; i < counts[table]; i++) {
			memcpy(&digest, digests[table] + i * sizeof(digest), sizeof(digest));
			if (digest != 0)
				(void)seen_meet(s, (enum seen_table)table, digest);
		}
	}
	return 0;
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

bool
seen_answer_taken(struct seen_region *s, uint64_t tag)
{
	const struct seen_answer *a = place_of(s, tag);

	return tally_get(&a->tag) == tag && tally_get(&a->what) != 0 && tally_get(&a->check) == 0;
}
