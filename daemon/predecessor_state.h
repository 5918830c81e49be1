// SPDX-License-Identifier: MIT
/* What the files of the predecessor share. For predecessor*.c only; master process. */
#pragma once

#include <event2/event.h>
#include <event2/event_struct.h>

#include "daemon/channel.h"
#include "daemon/handover.h"
#include "daemon/master.h"
#include "daemon/predecessor.h"

struct dossier;

enum predecessor_phase { PREDECESSOR_MET, PREDECESSOR_WAITING, PREDECESSOR_SERVING };

struct predecessor {
	enum predecessor_phase phase;
	struct master *master;
	int fd;
	pid_t pid;
	struct event event;
	struct handover *record; /* the last that came */
	struct dossier *told;	 /* evidence that was taken; NULL: none was */
	unsigned n_sockets;
	int sockets[LISTEN_MAX + 1]; /* -1: somebody has it */
	int control_fd, limits_fd;   /* -1: the same */
	struct receipt acked;	     /* of the newest revision that its workers follow */
	bool unsaid;		     /* the newest policy could not be sent */
	uint64_t leave_by_us;	     /* told to stop: killed if it is there then; 0: it was not */
	struct channel_message message;
};

/* The end of it, wherever it stands: what it gave and nobody has taken is closed. */
void predecessor_free(struct predecessor *p);
