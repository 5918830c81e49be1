// SPDX-License-Identifier: MIT
/*
 * The log: one JSON object a line, in master and workers. A process never waits for its log: what
 * cannot be written stays in a bounded buffer, what does not fit there is dropped and counted, and
 * once the log takes lines again one of them says how many are missing. Lines of several processes
 * never mix.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG, LOG_LEVEL_COUNT };
extern const char *const log_level_names[LOG_LEVEL_COUNT];

#define LOG_LINE_MAX 4096 /* bytes of a line, its '\n' included */

/* Opens the log of this process: a path (appended to, made with mode 0640) or "stderr",
 * which, being a file, is appended to from now on by all its writers. Before, events go to standard
 * error. */
int log_open(const char *path, enum log_level level, struct err *e) MUST_CHECK;
/* Whether log_open() would succeed with this path. */
int log_try(const char *path, struct err *e) MUST_CHECK;
void log_set_level(enum log_level level);
/* Opens the path again, after somebody moved the file. On -1 the log goes on as it was. */
int log_reopen(struct err *e) MUST_CHECK;
/* The descriptor, to be passed to a worker; it stays the log's own. */
int log_fd(void);
/* Logs to this descriptor from now on and owns it. */
void log_adopt(int fd);
/* In a new child: the name of its role for its lines ("worker 3"); drops the lines that the parent
 * has not written yet, which the parent keeps. */
void log_after_fork(const char *role);
void log_close(void);

bool log_wants(enum log_level level);
/* One line: time, level, role, pid, event, message. `event` is a word of [a-z_]. Written at once.
 */
void log_event(enum log_level level, const char *event, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* A finished line: one JSON object and '\n', at most LOG_LINE_MAX bytes. Buffered. */
void log_line(const char *line, size_t n);
/* Whether log_flush() is due: 16 KiB wait, or anything for 20 ms. Call it at the end of a turn of
 * the loop. */
bool log_due(uint64_t now_us);
/* Whether anything waits. */
bool log_pending(void);
/* Writes what waits, as far as that is possible without waiting. */
void log_flush(void);
/* Lines dropped in this process, ever. */
uint64_t log_dropped(void);
