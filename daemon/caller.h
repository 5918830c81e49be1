// SPDX-License-Identifier: MIT
/*
 * Those who have connected to the control socket and may use it. Each costs a bounded amount of
 * memory and time: few of them, a deadline for every line and every answer, and one command a turn
 * of the loop for all of them together, so that the rest of the master waits for one at most.
 * Master process.
 */
#pragma once

#include <event2/event_struct.h>
#include <stdbool.h>

#include "common/ctlproto.h"
#include "daemon/peer.h"

#define CALLERS_MAX 64

struct master;
struct caller;

struct callers {
	struct master *master;
	struct caller *all[CALLERS_MAX];
	struct event turn;
	bool ran;      /* a command, in this turn of the loop */
	unsigned last; /* whose it was */
};

void callers_init(struct callers *all, struct master *m);
/* Drops everybody. No callback comes afterwards. */
void callers_end(struct callers *all);
/* Takes the connection and the peer over. Where there is no place left somebody else goes, as
 * below; where nobody does, the new one is told so. */
void callers_admit(struct callers *all, int fd, struct peer *peer);
/* Sends somebody away: who has left already, is silent, does not read its answer, or has had one
 * and asks on; for a newcomer who may change things also who may not, and who waits for the end of
 * a command. Of these the one that was of use longest ago. False: there is nobody. See
 * caller_room.c. */
bool callers_make_room(struct callers *all, enum peer_right newcomer);
/* Tells somebody whose connection ends now why; what does not fit into the socket is lost. */
void callers_say_goodbye(int fd, enum ctl_code code, const char *message);
