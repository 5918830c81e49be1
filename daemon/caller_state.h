// SPDX-License-Identifier: MIT
/* What the files of the callers share. For caller*.c only; master process. */
#pragma once

#include "common/buf.h"
#include "daemon/caller.h"

struct caller {
	struct callers *callers;
	unsigned place; /* in callers->all */
	int fd;
	struct peer peer;
	struct event input, output;
	struct buf in, out;
	uint64_t heard_us; /* when it was last of any use; who has been silent longest makes room */
	uint64_t deadline_us; /* for its line, or for its reading of an answer */
	bool ready;	      /* a whole line waits for its turn */
	bool ended;	      /* it will send nothing more, but may still read */
	bool closing;	      /* after the answer */
	bool served;	      /* it has had an answer */
	struct cmd *cmd;      /* in work */
};

/* Closes its connection; a command of it that is in work goes on without it. */
void caller_drop(struct caller *c);
