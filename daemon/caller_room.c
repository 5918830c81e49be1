// SPDX-License-Identifier: MIT
/*
 * Who of the callers makes room for another one; see callers_make_room() in caller.h. Master
 * process.
 */
#include <poll.h>

#include "common/clock.h"
#include "daemon/caller_state.h"

/* Where places are short: what a newcomer may take for its first line, and a command for its end,
 * before others come first. */
#define FRESH_US   (50 * US_PER_MS)
#define RECEIPT_US (200 * US_PER_MS)

/* Who goes first when a newcomer needs a place, the last of these first. A command in work goes on
 * without its caller. Nobody who may only look, and no disk, can fill the places and so keep a
 * rollback out. */
enum rank { STAYS, IS_FRESH, WAITS, ASKS_ON, READS_SLOWLY, IS_SILENT, MAY_ONLY_LOOK, HAS_LEFT };

static enum rank
rank_of(const struct caller *c, enum peer_right newcomer, bool has_left, uint64_t now_us)
{
	uint64_t silent_us = now_us - c->heard_us;

	if (has_left)
		return HAS_LEFT;
	if (c->peer.right != newcomer)
		return newcomer == PEER_CHANGE ? MAY_ONLY_LOOK : STAYS;
	if (c->cmd != NULL)
		return newcomer == PEER_CHANGE && silent_us > RECEIPT_US ? WAITS : STAYS;
	if (c->ready)
		return c->served ? ASKS_ON : STAYS;
	if (buf_len(&c->out) > 0)
		return READS_SLOWLY;
	return c->served || silent_us > FRESH_US ? IS_SILENT : IS_FRESH;
}

static void
send_off(struct caller *c)
{
	/* Not into the middle of an answer. */
	if (buf_len(&c->out) == 0)
		callers_say_goodbye(c->fd, CTL_BUSY,
		    c->cmd == NULL
			? "too many connections: this one had to make room"
			: "too many connections: your command goes on, status will tell how it "
			  "ended");
	caller_drop(c);
}

bool
callers_make_room(struct callers *all, enum peer_right newcomer)
{
	struct pollfd others[CALLERS_MAX];
	struct caller *first = NULL;
	enum rank highest = STAYS;
	uint64_t now_us = clock_mono_us();

	for (unsigned i = 0; i < CALLERS_MAX; i++)
		others[i] = (struct pollfd){ .fd = all->all[i] != NULL ? all->all[i]->fd : -1 };
	(void)!poll(others, CALLERS_MAX, 0);
	for (unsigned i = 0; i < CALLERS_MAX; i++) {
		struct caller *c = all->all[i];
		bool has_left = others[i].revents & POLLHUP;
		enum rank rank = c != NULL ? rank_of(c, newcomer, has_left, now_us) : STAYS;

		if (rank == STAYS || rank < highest ||
		    (first != NULL && rank == highest && c->heard_us >= first->heard_us))
			continue;
		first = c;
		highest = rank;
	}
	if (first == NULL)
		return false;
	send_off(first);
	return true;
}
