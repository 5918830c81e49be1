// SPDX-License-Identifier: MIT
/*
 * The journal's writer, see journal_writer.h: a loop that takes one order after the other.
 * Questions are answered by children of its own, forked between two records, so that they know
 * exactly which record is the last one and the next record does not wait for them.
 */
#include "daemon/journal_writer.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/log.h"
#include "daemon/channel.h"
#include "daemon/dossier.h"
#include "daemon/journal_file.h"
#include "daemon/journal_kept.h"
#include "daemon/journal_read.h"
#include "daemon/journal_replay.h"
#include "worker/worker.h"

#define ORDER_MAX (AUDIT_LINE_MAX + sizeof(struct order_head))

struct writer {
	const struct journal_writer_seed *seed;
	int dir;
	bool open;
	struct journal_file file;
	struct err keep_failure; /* of the evidence; said in the log already */
	char order[ORDER_MAX];
};

/* ---- reports --------------------------------------------------------------------------------- */

/* Waits while the master is busy. False: it is gone. */
static bool
send_packet(int fd, const void *head, size_t head_n, const void *more, size_t more_n)
{
	struct iovec parts[2] = { { (void *)(uintptr_t)head, head_n },
		{ (void *)(uintptr_t)more, more_n } };
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = 2 };

	while (sendmsg(fd, &message, MSG_NOSIGNAL) < 0) {
		struct pollfd room = { .fd = fd, .events = POLLOUT };

		if (errno != EAGAIN && errno != EINTR)
			return false;
		(void)!poll(&room, 1, -1);
	}
	return true;
}

static void
report(struct writer *w, struct report_head *h)
{
	h->sequence = w->file.end.sequence;
	h->revision = w->file.revision;
	send_packet(w->seed->master_fd, h, sizeof(*h), NULL, 0);
}

/* ---- opening --------------------------------------------------------------------------------- */

static int
open_files(struct writer *w, struct journal_opening *found, struct err *e)
{
	*found = (struct journal_opening){ 0 };
	if (w->dir < 0)
		w->dir = journal_dir_open(w->seed->path, e);
	if (w->dir < 0 || journal_file_open(&w->file, w->dir, found, e) != 0)
		return -1;
	w->open = true;
	/* Numbers of rollouts may begin anew with the journal. */
	if (w->file.last == NULL)
		journal_kept_remove(w->dir);
	if (found->broken.msg[0] != '\0')
		log_event(LOG_ERROR, "journal_broken", "%s; it was put aside, a new one begins",
		    found->broken.msg);
	if (found->note[0] != '\0')
		log_event(LOG_WARN, "journal_cut", "%s: cut off", found->note);
	return 0;
}

static void
say_hello(struct writer *w)
{
	struct report_head h = { .kind = REPORT_HELLO };
	struct journal_opening found;

	h.failed = open_files(w, &found, &h.text) != 0;
	h.broken = found.broken.msg[0] != '\0';
	if (h.broken)
		h.text = found.broken;
	report(w, &h);
}

/* ---- orders ---------------------------------------------------------------------------------- */

static void
on_write(struct writer *w, const struct order_head *order, const char *body, size_t n)
{
	struct report_head h = { .kind = REPORT_WRITTEN, .id = order->id };
	struct journal_opening found;

	h.failed = !w->open && open_files(w, &found, &h.text) != 0;
	if (!h.failed && !journal_file_has(&w->file, body, n))
		h.failed = journal_file_append(&w->file, body, n, order->revision, &h.text) != 0;
	h.unclean = h.failed && w->file.unclean;
	report(w, &h);
}

static void
send_answer(int fd, uint64_t id, const struct buf *answer, const struct err *failure)
{
	struct report_head h = { .kind = REPORT_PART, .id = id };
	const uint8_t *at = buf_bytes(answer);
	size_t left = failure == NULL ? buf_len(answer) : 0;

	while (left > 0) {
		size_t n = left < REPORT_PART_BYTES ? left : REPORT_PART_BYTES;

		if (!send_packet(fd, &h, sizeof(h), at, n))
			return;
		at += n;
		left -= n;
	}
	h.kind = REPORT_END;
	h.failed = failure != NULL;
	if (failure != NULL)
		h.text = *failure;
	send_packet(fd, &h, sizeof(h), NULL, 0);
}

/* In the child. */
static int
look_up(struct writer *w, const struct order_head *order, const struct history_wish *wish,
    struct buf *answer, struct err *e)
{
	const struct audit_chain *end = &w->file.end;

	if (!w->open)
		return err_set(e, "the journal cannot be opened");
	if (order->kind == ORDER_VERIFY)
		return journal_read_verify(w->dir, end, answer, e);
	if (order->kind == ORDER_REPLAY)
		return journal_replay(w->dir, wish->release, end, answer, e);
	return journal_read_history(w->dir, wish->release, wish->limit, end, answer, e);
}

static void
on_question(struct writer *w, const struct order_head *order, const char *rest, size_t n)
{
	struct history_wish wish = { .limit = 1 };
	struct buf answer = { 0 };
	struct err e;
	pid_t pid;
	int rc;

	if (order->kind != ORDER_VERIFY && n == sizeof(wish))
		memcpy(&wish, rest, sizeof(wish));
	pid = fork();
	if (pid > 0)
		return;
	if (pid < 0) {
		err_sys(&e, "nobody can be started to read the journal");
		send_answer(w->seed->master_fd, order->id, &answer, &e);
		return;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	rc = look_up(w, order, &wish, &answer, &e);
	send_answer(w->seed->master_fd, order->id, &answer, rc == 0 ? NULL : &e);
	_exit(0);
}

static void
obey(struct writer *w, size_t n)
{
	struct order_head order;
	const char *rest = w->order + sizeof(order);

	if (n < sizeof(order))
		return;
	memcpy(&order, w->order, sizeof(order));
	n -= sizeof(order);
	if (order.kind == ORDER_WRITE)
		on_write(w, &order, rest, n);
	else if (order.kind == ORDER_HISTORY || order.kind == ORDER_VERIFY ||
		 order.kind == ORDER_REPLAY)
		on_question(w, &order, rest, n);
}

/* ---- evidence -------------------------------------------------------------------------------- */

/* The keys are read after the evidence was summed: one that was met since then is known, and does
 * not count; the other way round it would count twice. */
static int
complete(const struct writer *w, int memory, struct buf *out, struct err *e)
{
	size_t n;
	const char *text = channel_map(memory, &n, e);
	int rc;

	if (text == NULL)
		return -1;
	rc = buf_add(out, text, n);
	channel_unmap(text, n);
	return rc == 0 ? dossier_end(out, w->seed->seen_fd, e)
		       : err_set(e, "out of memory for the evidence");
}

static void
keep(struct writer *w, int memory)
{
	struct buf bytes = { 0 };
	struct err e = { "" };
	int rc = complete(w, memory, &bytes, &e);

	if (rc == 0 && w->dir >= 0)
		rc = journal_kept_write(w->dir, buf_bytes(&bytes), buf_len(&bytes), &e);
	buf_free(&bytes);
	if (rc != 0 && strcmp(w->keep_failure.msg, e.msg) != 0)
		log_event(LOG_WARN, "evidence_not_kept",
		    "%s: if grayd is killed the guard begins with older evidence, or none", e.msg);
	w->keep_failure = e;
}

/* ---- packets --------------------------------------------------------------------------------- */

/* A descriptor comes with MSG_LOG and ORDER_KEEP only; -1: none came. */
static int
descriptor_of(struct msghdr *message)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(message);
	int fd = -1;

	if (c != NULL && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
		memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	return fd;
}

/* One packet. False: the master has closed its end. */
static bool
receive(struct writer *w)
{
	char control[CMSG_SPACE(sizeof(int))];
	struct iovec part = { w->order, sizeof(w->order) };
	struct msghdr message = { .msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(w->seed->master_fd, &message, MSG_CMSG_CLOEXEC);
	int fd = n > 0 ? descriptor_of(&message) : -1;

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	if (n == 0)
		return false;
	if (n == 1 && w->order[0] == MSG_LOG && fd >= 0) {
		log_adopt(fd);
		return true;
	}
	if (n == 1 && w->order[0] == ORDER_KEEP && fd >= 0)
		keep(w, fd);
	else
		obey(w, (size_t)n);
	if (fd >= 0)
		close(fd);
	return true;
}

int
journal_writer_main(const struct journal_writer_seed *seed)
{
	static const char ready = MSG_READY;
	struct pollfd master = { .fd = seed->master_fd, .events = POLLIN };
	struct writer *w = calloc(1, sizeof(*w));

	if (w == NULL)
		return 1;
	w->seed = seed;
	w->dir = w->file.fd = w->file.head = -1;
	signal(SIGCHLD, SIG_IGN); /* those who read are not waited for */
	send_packet(seed->master_fd, &ready, 1, NULL, 0);
	say_hello(w);
	do {
		(void)!poll(&master, 1, -1);
	} while (receive(w));
	if (w->open)
		journal_file_close(&w->file);
	free(w);
	return 0;
}
