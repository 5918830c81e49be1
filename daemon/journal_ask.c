// SPDX-License-Identifier: MIT
/*
 * Questions about the journal: handed to the writer, whose children answer them in parts. Master
 * process; it only collects. A question ends in exactly one answer to its caller.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/clock.h"
#include "daemon/cmd.h"
#include "daemon/journal_state.h"
#include "daemon/journal_writer.h"
#include "daemon/master.h"

#define QUESTIONS_MAX 4		  /* at a time; each is a process that reads */
#define ANSWER_MAX    (16u << 20) /* bytes */

static unsigned
count_questions(const struct journal *j)
{
	unsigned n = 0;

	for (const struct journal_question *q = j->questions; q != NULL; q = q->next)
		n++;
	return n;
}

/* False: the writer's queue is full. */
static bool
send_question(const struct journal *j, struct journal_question *q)
{
	struct order_head head = { .kind = q->kind, .id = q->id };
	struct iovec parts[2] = { { &head, sizeof(head) }, { &q->wish, sizeof(q->wish) } };
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = q->kind != ORDER_VERIFY ? 2 : 1 };

	q->sent = sendmsg(j->writer->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) > 0;
	return q->sent;
}

/* Whether a record that was there before the question is still to be written; while none can be, no
 * question waits for that. */
static bool
waits_for_record(const struct journal *j, const struct journal_question *q)
{
	return j->ok && j->items != NULL && j->items->id < q->id;
}

void
journal_send_questions(struct journal *j)
{
	for (struct journal_question *q = j->questions; q != NULL; q = q->next) {
		if (!q->sent && !waits_for_record(j, q) && !send_question(j, q))
			return;
	}
}

/* A writer that is only starting is waited for. */
static void
ask(struct master *m, struct cmd *cmd, char kind, const struct history_wish *wish)
{
	struct journal *j = m->journal;
	struct journal_question *q = NULL;

	if (j->lock < 0) {
		cmd_fail(cmd, CTL_REFUSED, "the journal cannot be read: %s", j->error.msg);
		return;
	}
	if (count_questions(j) < QUESTIONS_MAX)
		q = calloc(1, sizeof(*q));
	if (q == NULL) {
		cmd_fail(cmd, CTL_BUSY, "the journal is being read for others: try again");
		return;
	}
	q->id = ++j->last_id;
	q->cmd = cmd;
	q->kind = kind;
	q->wish = *wish;
	q->member = kind == ORDER_HISTORY ? "history" : kind == ORDER_VERIFY ? "journal" : "replay";
	q->next = j->questions;
	j->questions = q;
	if (j->hello)
		journal_send_questions(j);
}

void
journal_ask_history(struct master *m, struct cmd *cmd, const char *release, unsigned limit)
{
	struct history_wish wish = { .limit = limit };

	snprintf(wish.release, sizeof(wish.release), "%s", release != NULL ? release : "");
	ask(m, cmd, ORDER_HISTORY, &wish);
}

void
journal_ask_verify(struct master *m, struct cmd *cmd)
{
	ask(m, cmd, ORDER_VERIFY, &(struct history_wish){ .limit = 0 });
}

void
journal_ask_replay(struct master *m, struct cmd *cmd, const char *release)
{
	struct history_wish wish = { .limit = 1 };

	snprintf(wish.release, sizeof(wish.release), "%s", release);
	ask(m, cmd, ORDER_REPLAY, &wish);
}

void
journal_forget(struct master *m, const struct cmd *cmd)
{
	for (struct journal_question *q = m->journal != NULL ? m->journal->questions : NULL;
	     q != NULL; q = q->next) {
		if (q->cmd == cmd)
			q->cmd = NULL;
	}
}

static void
question_free(struct journal_question *q)
{
	buf_free(&q->answer);
	free(q);
}

/* What comes is JSON of our own making, and is passed on as it is. */
static void
answer_caller(const struct journal_question *q)
{
	cJSON *answer = cmd_begin(q->cmd);

	cmd_put_time(q->cmd, answer, "now", clock_wall_us());
	cmd_put_digits(q->cmd, answer, q->member, (const char *)q->answer.data + q->answer.head);
	cmd_answer(q->cmd, answer);
}

static void
finish(struct journal_question *q, const struct err *failure)
{
	struct err e = { "the answer is too long" };

	if (q->cmd == NULL)
		return;
	if (failure == NULL && buf_add(&q->answer, "", 1) == 0 && buf_len(&q->answer) < ANSWER_MAX)
		answer_caller(q);
	else
		cmd_fail(q->cmd, CTL_REFUSED, "%s", failure != NULL ? failure->msg : e.msg);
}

void
journal_answer(struct master *m, const struct report_head *h, const char *bytes, size_t n)
{
	struct journal_question **at = &m->journal->questions, *q;

	while (*at != NULL && (*at)->id != h->id)
		at = &(*at)->next;
	q = *at;
	if (q == NULL)
		return;
	if (h->kind == REPORT_PART) {
		if (buf_len(&q->answer) < ANSWER_MAX && buf_add(&q->answer, bytes, n) != 0)
			journal_forget(m, q->cmd);
		return;
	}
	*at = q->next;
	finish(q, h->failed ? &h->text : NULL);
	question_free(q);
}

void
journal_fail_questions(struct master *m)
{
	const struct err gone = { "the journal's writer has ended: try again" };

	while (m->journal->questions != NULL) {
		struct journal_question *q = m->journal->questions;

		m->journal->questions = q->next;
		finish(q, &gone);
		question_free(q);
	}
}

void
journal_free_questions(struct journal *j)
{
	while (j->questions != NULL) {
		struct journal_question *q = j->questions;

		j->questions = q->next;
		question_free(q);
	}
}
