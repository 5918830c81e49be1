// SPDX-License-Identifier: MIT
/*
 * The limits region, see limits.h: made, handed on, mapped; and the seats of workers. Seats are
 * taken and freed by masters only, of which two may be there at an upgrade.
 */
#include "common/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define SEALS	  (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)
#define NOT_NAMED UINT32_MAX /* of a seat whose worker is not forked yet */

/* ---- memory ---------------------------------------------------------------------------------- */

static struct limits_region *
map(int fd, struct err *e)
{
	struct limits_region *region =
	    mmap(NULL, sizeof(*region), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);

	if (region != MAP_FAILED)
		return region;
	err_sys(e, "cannot map the memory of limits");
	return NULL;
}

/* The master's own mapping, which children do not get. */
static int
take(struct limits *l, struct err *e)
{
	l->region = map(l->fd, e);
	if (l->region == NULL)
		return -1;
	if (madvise(l->region, sizeof(*l->region), MADV_DONTFORK) == 0)
		return 0;
	return err_sys(e, "cannot keep the memory of limits from children");
}

int
limits_create(struct limits *l, struct err *e)
{
	l->region = NULL;
	l->fd = memfd_create("grayd-limits", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (l->fd < 0)
		return err_sys(e, "cannot make the memory of limits");
	if (ftruncate(l->fd, sizeof(*l->region)) != 0 || fcntl(l->fd, F_ADD_SEALS, SEALS) != 0)
		err_sys(e, "cannot size the memory of limits");
	else if (take(l, e) == 0) {
		l->region->magic = SHM_MAGIC;
		l->region->layout = LIMITS_LAYOUT;
		return 0;
	}
	limits_destroy(l);
	return -1;
}

/* Whether it is a region that nobody can cut off under us. */
static int
check_memory(int fd, struct err *e)
{
	struct stat st;

	if (fstat(fd, &st) != 0 || (fcntl(fd, F_GET_SEALS) & SEALS) != SEALS)
		return err_set(e, "it is no memory of limits");
	if (st.st_size != (off_t)sizeof(struct limits_region))
		return err_set(e, "it has another size");
	return 0;
}

int
limits_adopt(struct limits *l, int fd, struct err *e)
{
	l->region = NULL;
	l->fd = fd;
	if (check_memory(fd, e) == 0 && take(l, e) == 0) {
		if (l->region->magic == SHM_MAGIC && l->region->layout == LIMITS_LAYOUT)
			return 0;
		err_set(e, "it has layout %u, not %u", l->region->layout, LIMITS_LAYOUT);
	}
	limits_destroy(l);
	return -1;
}

void
limits_destroy(struct limits *l)
{
	if (l->region != NULL)
		munmap(l->region, sizeof(*l->region));
	if (l->fd >= 0)
		close(l->fd);
	l->region = NULL;
	l->fd = -1;
}

struct limits_region *
limits_map(int fd, struct err *e)
{
	return map(fd, e);
}

int
limits_map_readonly(struct limits *l, int fd, struct err *e)
{
	char path[64];
	int readonly;

	l->fd = -1;
	l->region = NULL;
	/* Opened anew: a mapping of `fd` itself could be made writable later. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	readonly = open(path, O_RDONLY | O_CLOEXEC);
	if (readonly < 0)
		return err_sys(e, "cannot open the memory of limits for reading");
	l->region =
	    mmap(NULL, sizeof(*l->region), PROT_READ, MAP_SHARED | MAP_NORESERVE, readonly, 0);
	close(readonly);
	if (l->region != MAP_FAILED)
		return 0;
	l->region = NULL;
	return err_sys(e, "cannot map the memory of limits");
}

/* ---- seats ----------------------------------------------------------------------------------- */

unsigned
limits_seat_take(struct limits *l)
{
	for (unsigned seat = 1; seat < SEATS_MAX; seat++) {
		uint32_t nobody = 0;

		if (!atomic_compare_exchange_strong(&l->region->seats[seat], &nobody, NOT_NAMED))
			continue;
		if (seat >= atomic_load(&l->region->seats_top))
			atomic_store(&l->region->seats_top, seat + 1);
		return seat;
	}
	return 0;
}

void
limits_seat_name(struct limits *l, unsigned seat, pid_t pid)
{
	atomic_store(&l->region->seats[seat], (uint32_t)pid);
}

/* How many limiters may be in use. */
static unsigned
limiters_top(const struct limits_region *region)
{
	uint32_t top = atomic_load_explicit(&region->limiters_top, memory_order_acquire);

	return top < LIMITERS_MAX ? top : LIMITERS_MAX;
}

void
limits_seat_free(struct limits *l, unsigned seat)
{
	struct limits_region *region = l->region;
	uint64_t bit = UINT64_C(1) << seat % 64;

	if (seat == 0 || seat >= SEATS_MAX)
		return;
	/* Pages that were never used are not touched. */
	for (unsigned n = 1; n < limiters_top(region); n++) {
		struct limiter *limiter = &region->limiters[n];

		if ((atomic_load(&limiter->waiters[seat / 64]) & bit) != 0)
			limiter_queue(region, n, seat, 0, 0);
		if (atomic_load(&limiter->counts_in_flight) != 0)
			atomic_store(&region->in_flight[n][seat], 0);
	}
	atomic_store(&region->seats[seat], 0);
}

unsigned
limits_seats_used(const struct limits *l)
{
	unsigned n = 0;

	for (unsigned seat = 1; seat < SEATS_MAX; seat++)
		n += atomic_load(&l->region->seats[seat]) != 0;
	return n;
}

void
limits_seats_sweep(struct limits *l)
{
	for (unsigned seat = 1; seat < SEATS_MAX; seat++) {
		uint32_t pid = atomic_load(&l->region->seats[seat]);

		if (pid != 0 && pid != NOT_NAMED && kill((pid_t)pid, 0) != 0 && errno == ESRCH)
			limits_seat_free(l, seat);
	}
}
