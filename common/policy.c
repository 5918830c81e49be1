// SPDX-License-Identifier: MIT
/*
 * The policy region, see policy.h. policy_publish() runs in the master only; the readers run in
 * workers. A slot is written again only after POLICY_SLOTS - 1 further policies, and a reader that
 * was overtaken all the same sees it by the checksum and starts over.
 */
#include "common/policy.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/hash.h"

/* Slots change only while policies are published, POLICY_SLOTS of them during one copy. */
#define READ_TRIES 100

static uint64_t
checksum(const struct policy *p)
{
	static const struct hash_key key = { "grayd-policy-1" };

	return hash64(&key, p, sizeof(*p));
}

/* The master's mapping must be made before the seal, which leaves it writable, and must not reach
 * children, in which it would be writable too. */
static struct policy_region *
map_and_seal(int fd, struct err *e)
{
	const int seals = F_SEAL_FUTURE_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
	struct policy_region *region;

	if (ftruncate(fd, sizeof(*region)) != 0) {
		err_sys(e, "cannot size the policy memory");
		return NULL;
	}
	region = mmap(NULL, sizeof(*region), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (region == MAP_FAILED) {
		err_sys(e, "cannot map the policy memory");
		return NULL;
	}
	if (madvise(region, sizeof(*region), MADV_DONTFORK) == 0 &&
	    fcntl(fd, F_ADD_SEALS, seals) == 0)
		return region;
	err_sys(e, "cannot seal the policy memory");
	munmap(region, sizeof(*region));
	return NULL;
}

int
policy_create(struct policy_store *s, struct err *e)
{
	s->region = NULL;
	s->bell = -1;
	s->fd = memfd_create("grayd-policy", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (s->fd < 0)
		return err_sys(e, "cannot make the policy memory");
	s->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (s->bell < 0)
		err_sys(e, "cannot make the policy's bell");
	else
		s->region = map_and_seal(s->fd, e);
	if (s->region == NULL) {
		policy_destroy(s);
		return -1;
	}
	s->region->magic = SHM_MAGIC;
	s->region->layout = SHM_LAYOUT;
	return 0;
}

void
policy_destroy(struct policy_store *s)
{
	if (s->region != NULL)
		munmap(s->region, sizeof(*s->region));
	if (s->fd >= 0)
		close(s->fd);
	if (s->bell >= 0)
		close(s->bell);
	s->region = NULL;
	s->fd = s->bell = -1;
}

/* Nobody reads it: each write is an edge to those who watch. A full counter takes no write, and is
 * no accident, since a century does not fill it; it is emptied, and rung. */
static void
ring(const struct policy_store *s)
{
	uint64_t taken;

	if (eventfd_write(s->bell, 1) != 0 && eventfd_read(s->bell, &taken) == 0)
		(void)eventfd_write(s->bell, 1);
}

void
policy_publish(struct policy_store *s, const struct policy *p)
{
	struct policy_slot *slot = &s->region->slots[p->revision % POLICY_SLOTS];

	assert(p->revision > atomic_load_explicit(&s->region->published, memory_order_relaxed));
	assert(p->n_releases <= RELEASES_MAX);
	slot->revision = p->revision;
	slot->length = sizeof(*p);
	slot->policy = *p;
	slot->checksum = checksum(p);
	atomic_store_explicit(&s->region->published, p->revision, memory_order_release);
	ring(s);
}

const struct policy_region *
policy_map_readonly(int fd, struct err *e)
{
	const struct policy_region *region =
	    mmap(NULL, sizeof(*region), PROT_READ, MAP_SHARED, fd, 0);

	if (region == MAP_FAILED) {
		err_sys(e, "cannot map the policy memory");
		return NULL;
	}
	if (region->magic != SHM_MAGIC || region->layout != SHM_LAYOUT) {
		err_set(e, "the policy memory has a layout that this version does not know");
		return NULL;
	}
	return region;
}

void
policy_reader_init(struct policy_reader *r, const struct policy_region *region)
{
	memset(r, 0, sizeof(*r));
	r->region = region;
}

/* Whether a copy is what the master wrote for this revision, and safe to use. */
static bool
is_whole(const struct policy_slot *slot, uint64_t revision)
{
	if (slot->revision != revision || slot->length != sizeof(slot->policy))
		return false;
	if (slot->policy.revision != revision || slot->policy.n_releases > RELEASES_MAX)
		return false;
	return slot->checksum == checksum(&slot->policy);
}

enum policy_read
policy_refresh(struct policy_reader *r)
{
	struct policy_slot copy;
	uint64_t revision = atomic_load_explicit(&r->region->published, memory_order_acquire);

	if (revision == r->seen)
		return POLICY_SAME;
	for (unsigned i = 0; i < READ_TRIES; i++) {
		uint64_t newer;

		copy = r->region->slots[revision % POLICY_SLOTS];
		r->seen = revision;
		if (is_whole(&copy, revision)) {
			r->current = copy.policy;
			return POLICY_NEW;
		}
		atomic_thread_fence(memory_order_acquire);
		newer = atomic_load_explicit(&r->region->published, memory_order_acquire);
		if (newer == revision)
			break;
		revision = newer;
	}
	return POLICY_BAD;
}

bool
policy_read(const struct policy_region *region, uint64_t revision, struct policy *out)
{
	struct policy_slot copy = region->slots[revision % POLICY_SLOTS];

	if (!is_whole(&copy, revision))
		return false;
	*out = copy.policy;
	return true;
}

const struct policy_release *
policy_find(const struct policy *p, const char *name)
{
	for (uint32_t i = 0; i < p->n_releases; i++) {
		if (strncmp(p->releases[i].name, name, NAME_BYTES) == 0)
			return &p->releases[i];
	}
	return NULL;
}
