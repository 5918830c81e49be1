// SPDX-License-Identifier: MIT
/*
 * The policy region: readers get whole policies whatever happens to the writer, and nobody but the
 * writer can change a byte.
 */
#include "common/policy.h"

#include <CUnit/CUnit.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"

void suite_policy(void);

#define KILLS 200

/* A policy of which every field follows from its revision. */
static void
fill(struct policy *p, uint64_t revision)
{
	memset(p, 0, sizeof(*p));
	p->revision = revision;
	p->published_mono_us = revision * 3;
	p->n_releases = (uint32_t)(revision % RELEASES_MAX) + 1;
	for (uint32_t i = 0; i < p->n_releases; i++) {
		struct policy_release *r = &p->releases[i];

		snprintf(r->name, sizeof(r->name), "release-%u-of-%llu", i,
		    (unsigned long long)revision);
		r->revision = revision - i;
		r->share_bp = (uint16_t)(revision % 10001);
		r->state = (uint8_t)(revision % STATE_COUNT);
	}
}

static bool
is_filled(const struct policy *p)
{
	struct policy want;

	fill(&want, p->revision);
	return memcmp(&want, p, sizeof(want)) == 0;
}

static void
publish(struct policy_store *s, uint64_t revision)
{
	struct policy p;

	fill(&p, revision);
	policy_publish(s, &p);
}

static void
open_store(struct policy_store *s, struct policy_reader *r)
{
	const struct policy_region *region;
	struct err e = { "" };

	CU_ASSERT_EQUAL_FATAL(policy_create(s, &e), 0);
	region = policy_map_readonly(s->fd, &e);
	CU_ASSERT_PTR_NOT_NULL_FATAL(region);
	policy_reader_init(r, region);
}

static void
close_store(struct policy_store *s, struct policy_reader *r)
{
	munmap((void *)(uintptr_t)r->region, sizeof(*r->region));
	policy_destroy(s);
}

static void
test_publish_and_read(void)
{
	struct policy_store s;
	struct policy_reader r;

	open_store(&s, &r);
	CU_ASSERT_FALSE(policy_changed(&r));
	CU_ASSERT_EQUAL(policy_refresh(&r), POLICY_SAME);
	CU_ASSERT_PTR_NULL(policy_find(&r.current, "release-0-of-1"));
	for (uint64_t revision = 1; revision < 100; revision += revision % 3 + 1) {
		publish(&s, revision);
		CU_ASSERT_TRUE(policy_changed(&r));
		CU_ASSERT_EQUAL(policy_refresh(&r), POLICY_NEW);
		CU_ASSERT_EQUAL(r.current.revision, revision);
		CU_ASSERT(is_filled(&r.current));
		CU_ASSERT_FALSE(policy_changed(&r));
		CU_ASSERT_EQUAL(policy_refresh(&r), POLICY_SAME);
	}
	CU_ASSERT_PTR_NOT_NULL(policy_find(&r.current, r.current.releases[0].name));
	CU_ASSERT_PTR_NULL(policy_find(&r.current, "release"));
	CU_ASSERT_PTR_NULL(policy_find(&r.current, ""));
	close_store(&s, &r);
}

static void
test_read_by_revision(void)
{
	struct policy_store store;
	struct policy_reader reader;
	struct policy p;

	open_store(&store, &reader);
	CU_ASSERT_FALSE(policy_read(reader.region, 0, &p));
	for (uint64_t revision = 1; revision <= 20; revision++)
		publish(&store, revision);
	for (uint64_t revision = 0; revision <= 40; revision++) {
		bool kept = revision > 20 - POLICY_SLOTS && revision <= 20;

		CU_ASSERT_EQUAL(policy_read(reader.region, revision, &p), kept);
		CU_ASSERT_TRUE(!kept || (p.revision == revision && is_filled(&p)));
	}
	close_store(&store, &reader);
}

/* Each field that is checked, and any bit of the policy itself. */
static void
test_bad_slot_keeps_the_old(void)
{
	struct policy_store s;
	struct policy_reader r;
	uint64_t revision = 1;

	open_store(&s, &r);
	publish(&s, revision);
	CU_ASSERT_EQUAL(policy_refresh(&r), POLICY_NEW);
	for (unsigned kind = 0; kind < 40; kind++) {
		uint64_t good = r.current.revision;
		struct policy_slot *slot;

		publish(&s, ++revision);
		slot = &s.region->slots[revision % POLICY_SLOTS];
		switch (kind) {
		case 0: slot->revision++; break;
		case 1: slot->length--; break;
		case 2: slot->checksum ^= 1; break;
		case 3: slot->policy.n_releases = RELEASES_MAX + 1; break;
		case 4: slot->policy.revision--; break;
		default: ((uint8_t *)&slot->policy)[kind * 229] ^= 0x40; break;
		}
		CU_ASSERT_EQUAL(policy_refresh(&r), POLICY_BAD);
		CU_ASSERT_EQUAL(r.current.revision, good);
		CU_ASSERT(is_filled(&r.current));
		/* Not looked at again and again, but the next one is taken. */
		CU_ASSERT_FALSE(policy_changed(&r));
		publish(&s, ++revision);
		CU_ASSERT_EQUAL(policy_refresh(&r), POLICY_NEW);
		CU_ASSERT_EQUAL(r.current.revision, revision);
	}
	close_store(&s, &r);
}

static void
test_foreign_memory(void)
{
	struct policy_store s;
	struct policy_reader r;
	struct err e = { "" };

	open_store(&s, &r);
	s.region->layout++;
	CU_ASSERT_PTR_NULL(policy_map_readonly(s.fd, &e));
	CU_ASSERT_PTR_NOT_NULL(strstr(e.msg, "layout"));
	CU_ASSERT_PTR_NULL(policy_map_readonly(-1, &e));
	close_store(&s, &r);
}

/* ---- kills ----------------------------------------------------------------------------------- */

static void
write_for_ever(struct policy_store *s)
{
	uint64_t revision = s->region->published;

	for (;;)
		publish(s, ++revision);
}

/* Reads for a while, during which somebody writes. */
static void
read_for(struct policy_reader *r, uint64_t us, unsigned *changes)
{
	uint64_t end = clock_mono_us() + us;

	do {
		uint64_t before = r->current.revision;
		enum policy_read got = policy_refresh(r);

		CU_ASSERT_FATAL(got != POLICY_BAD);
		CU_ASSERT_FATAL(r->current.revision >= before);
		if (got != POLICY_NEW)
			continue;
		++*changes;
		CU_ASSERT_FATAL(is_filled(&r->current));
	} while (clock_mono_us() < end);
}

/* The writer is killed in the middle of what it does, over and over; the newest policy stays whole
 * for old readers and for new ones, and the next writer goes on. */
static void
test_killed_writer(void)
{
	struct policy_store s;
	struct policy_reader r;
	unsigned changes = 0;

	open_store(&s, &r);
	/* Elsewhere nobody inherits the writable mapping; this writer has to. */
	CU_ASSERT_EQUAL_FATAL(madvise(s.region, sizeof(*s.region), MADV_DOFORK), 0);
	publish(&s, 1);
	srandom(1);
	for (unsigned round = 0; round < KILLS; round++) {
		struct policy_reader late;
		pid_t pid = fork();

		CU_ASSERT_FATAL(pid >= 0);
		if (pid == 0)
			write_for_ever(&s);
		while (!policy_changed(&r))
			sched_yield();
		read_for(&r, (uint64_t)random() % 4000, &changes);
		kill(pid, SIGKILL);
		CU_ASSERT_EQUAL_FATAL(waitpid(pid, NULL, 0), pid);
		policy_reader_init(&late, r.region);
		CU_ASSERT_EQUAL_FATAL(policy_refresh(&late), POLICY_NEW);
		CU_ASSERT_EQUAL(late.current.revision, s.region->published);
		CU_ASSERT_FATAL(is_filled(&late.current));
	}
	CU_ASSERT(changes >= KILLS);
	close_store(&s, &r);
}

/* ---- the seal -------------------------------------------------------------------------------- */

static bool
map_refused(int fd)
{
	void *p =
	    mmap(NULL, sizeof(struct policy_region), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	return p == MAP_FAILED && errno == EPERM;
}

static bool
mprotect_refused(const struct policy_region *region)
{
	return mprotect((void *)(uintptr_t)region, sizeof(*region), PROT_READ | PROT_WRITE) != 0 &&
	       errno == EACCES;
}

static bool
write_refused(int fd)
{
	return pwrite(fd, "x", 1, 0) < 0 && errno == EPERM;
}

static bool
resize_refused(int fd)
{
	return ftruncate(fd, 0) != 0 && errno == EPERM && ftruncate(fd, 1 << 24) != 0 &&
	       errno == EPERM;
}

static bool
punch_refused(int fd)
{
	return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096) != 0 &&
	       errno == EPERM;
}

static bool
remove_refused(const struct policy_region *region)
{
	return madvise((void *)(uintptr_t)region, sizeof(*region), MADV_REMOVE) != 0;
}

static bool
unseal_refused(int fd)
{
	return fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE) != 0 && errno == EPERM;
}

/* A second open file of the same memory is no way around the seal either. */
static bool
reopen_refused(int fd)
{
	char path[32];
	int again;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = open(path, O_RDWR);
	if (again < 0)
		return true;
	return map_refused(again) && write_refused(again) && resize_refused(again) &&
	       punch_refused(again);
}

/* Runs in a child, as a worker would; the number of the first attempt that was not refused. */
static int
attack(int fd, const struct policy_region *region)
{
	const bool refused[] = { map_refused(fd), mprotect_refused(region), write_refused(fd),
		resize_refused(fd), punch_refused(fd), remove_refused(region), unseal_refused(fd),
		reopen_refused(fd) };

	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		if (!refused[i])
			return (int)i + 1;
	}
	return 0;
}

static void
test_sealed(void)
{
	struct policy_store s;
	struct policy_reader r;
	int status = -1;
	pid_t pid;

	open_store(&s, &r);
	publish(&s, 5);
	pid = fork();
	CU_ASSERT_FATAL(pid >= 0);
	if (pid == 0)
		_exit(attack(s.fd, r.region));
	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	CU_ASSERT(WIFEXITED(status));
	CU_ASSERT_EQUAL(WEXITSTATUS(status), 0);
	CU_ASSERT_EQUAL(policy_refresh(&r), POLICY_NEW);
	CU_ASSERT(is_filled(&r.current));
	publish(&s, 6); /* the master still can */
	CU_ASSERT_EQUAL(policy_refresh(&r), POLICY_NEW);
	close_store(&s, &r);
}

/* The master's own mapping does not exist in a child: touching it there is fatal. */
static void
test_mapping_is_not_inherited(void)
{
	struct policy_store s;
	struct policy_reader r;
	int status = 0;
	pid_t pid;

	open_store(&s, &r);
	publish(&s, 1);
	pid = fork();
	CU_ASSERT_FATAL(pid >= 0);
	if (pid == 0) {
		unsigned char there;

		/* Asked of the kernel, so that no signal handler of a sanitizer speaks up. */
		_exit(mincore(s.region, 4096, &there) != 0 && errno == ENOMEM ? 0 : 1);
	}
	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	CU_ASSERT(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	close_store(&s, &r);
}

static int
watch_bell(const struct policy_store *s)
{
	struct epoll_event wanted = { .events = EPOLLIN | EPOLLET };
	int fd = epoll_create1(0);

	CU_ASSERT_FATAL(fd >= 0);
	CU_ASSERT_EQUAL_FATAL(epoll_ctl(fd, EPOLL_CTL_ADD, s->bell, &wanted), 0);
	return fd;
}

static bool
rings(int watching)
{
	struct epoll_event event;

	return epoll_wait(watching, &event, 1, 0) == 1;
}

/* Each publish is heard by all who watch, once, though nobody ever empties the bell, and even when
 * somebody has filled it. */
static void
test_bell(void)
{
	struct policy_store s;
	struct policy_reader r;
	int watching[2];

	open_store(&s, &r);
	for (unsigned i = 0; i < 2; i++)
		watching[i] = watch_bell(&s);
	for (uint64_t revision = 1; revision <= 4; revision++) {
		if (revision == 4)
			CU_ASSERT_EQUAL(eventfd_write(s.bell, UINT64_MAX - 4), 0);
		for (unsigned i = 0; revision == 4 && i < 2; i++)
			CU_ASSERT(rings(watching[i]));
		publish(&s, revision);
		for (unsigned i = 0; i < 2; i++) {
			CU_ASSERT(rings(watching[i]));
			CU_ASSERT_FALSE(rings(watching[i]));
		}
	}
	for (unsigned i = 0; i < 2; i++)
		close(watching[i]);
	close_store(&s, &r);
}

void
suite_policy(void)
{
	CU_pSuite s = CU_add_suite("policy", NULL, NULL);

	CU_add_test(s, "publish and read", test_publish_and_read);
	CU_add_test(s, "read by revision", test_read_by_revision);
	CU_add_test(s, "a bad slot keeps the old", test_bad_slot_keeps_the_old);
	CU_add_test(s, "foreign memory", test_foreign_memory);
	CU_add_test(s, "killed writer", test_killed_writer);
	CU_add_test(s, "bell", test_bell);
	CU_add_test(s, "sealed", test_sealed);
	CU_add_test(s, "mapping is not inherited", test_mapping_is_not_inherited);
}
