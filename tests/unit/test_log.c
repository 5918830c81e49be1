// SPDX-License-Identifier: MIT
/*
 * The log: lines are JSON, whole, and never waited for; what is lost is counted and told; standard
 * error keeps its mode.
 */
#include "common/log.h"

#include <CUnit/CUnit.h>
#include <cjson/cJSON.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"

void suite_log(void);

#define READ_MAX (4u << 20)

static char text[READ_MAX + 1];
static size_t text_bytes;

/* Reads what is there now (or, with `all`, until the end) behind what was read before. */
static void
drain(int fd, bool all)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	while (text_bytes < READ_MAX && poll(&p, 1, all ? -1 : 0) == 1) {
		ssize_t n = read(fd, text + text_bytes, READ_MAX - text_bytes);

		if (n <= 0)
			break;
		text_bytes += (size_t)n;
	}
	text[text_bytes] = '\0';
}

/* Calls `look` for each line as JSON; every line must be one. Returns how many. */
static unsigned
each_line(void (*look)(const cJSON *line, void *arg), void *arg)
{
	unsigned n = 0;

	CU_ASSERT_EQUAL(strlen(text), text_bytes);
	for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n"), n++) {
		cJSON *json = cJSON_ParseWithOpts(line, NULL, 1);

		CU_ASSERT(strlen(line) < LOG_LINE_MAX);
		CU_ASSERT_PTR_NOT_NULL_FATAL(json);
		look(json, arg);
		cJSON_Delete(json);
	}
	text_bytes = 0;
	return n;
}

static const char *
member(const cJSON *line, const char *name)
{
	const char *value = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(line, name));

	return value != NULL ? value : "";
}

/* Logs to a pipe from now on; its reading end. */
static int
log_to_pipe(void)
{
	int ends[2];

	CU_ASSERT_EQUAL_FATAL(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
	log_adopt(ends[1]);
	text_bytes = 0;
	return ends[0];
}

static void
keep_message(const cJSON *line, void *arg)
{
	snprintf(arg, 4096, "%s", member(line, "message"));
	CU_ASSERT_STRING_EQUAL(member(line, "level"), "warn");
	CU_ASSERT_STRING_EQUAL(member(line, "event"), "something");
	CU_ASSERT_EQUAL(strlen(member(line, "time")), CLOCK_ISO_BYTES - 1);
	CU_ASSERT(cJSON_IsNumber(cJSON_GetObjectItemCaseSensitive(line, "pid")));
}

static void
test_events(void)
{
	static const struct {
		const char *message, *expected;
	} cases[] = {
		{ "plain", "plain" },
		{ "", "" },
		{ "a \"quote\" and a \\", "a \"quote\" and a \\" },
		{ "line\nbreak\r\nand\ttab", "line break and tab" },
		{ "\x1b[31mred", "[31mred" },
		{ "caf\xc3\xa9 \xe2\x82\xac", "caf\xc3\xa9 \xe2\x82\xac" },
		{ "bad \xff byte", "bad \xef\xbf\xbd byte" },
	};
	int fd = log_to_pipe();

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char got[4096] = "";

		log_event(LOG_WARN, "something", "%s", cases[i].message);
		drain(fd, false);
		CU_ASSERT_EQUAL(each_line(keep_message, got), 1);
		CU_ASSERT_STRING_EQUAL(got, cases[i].expected);
	}
	log_close();
	close(fd);
}

/* However long a message and whatever it holds, the line is whole and bounded. */
static void
test_long_events(void)
{
	static const char *const patterns[] = { "x", "\"", "\\", "\xe2\x82\xac", "\xff" };
	int fd = log_to_pipe();

	for (size_t p = 0; p < sizeof(patterns) / sizeof(patterns[0]); p++) {
		char message[6000] = "", got[4096];

		while (strlen(message) + 4 < sizeof(message))
			strcat(message, patterns[p]);
		log_event(LOG_WARN, "something", "%s", message);
		drain(fd, false);
		CU_ASSERT_EQUAL(each_line(keep_message, got), 1);
		CU_ASSERT(strlen(got) > 300);
	}
	log_close();
	close(fd);
}

static void
test_levels(void)
{
	char path[] = "/tmp/grayd-log-XXXXXX";
	int fd = mkstemp(path);
	struct err e;

	CU_ASSERT_FATAL(fd >= 0);
	text_bytes = 0;
	CU_ASSERT_EQUAL_FATAL(log_open(path, LOG_WARN, &e), 0);
	CU_ASSERT_TRUE(log_wants(LOG_ERROR));
	CU_ASSERT_FALSE(log_wants(LOG_INFO));
	log_event(LOG_INFO, "something", "not this");
	CU_ASSERT_EQUAL(lseek(fd, 0, SEEK_END), 0);
	log_event(LOG_WARN, "something", "but this");
	CU_ASSERT(lseek(fd, 0, SEEK_END) > 0);
	log_close();
	close(fd);
	unlink(path);
}

/* ---- files
 * --------------------------------------------------------------------------------------- */

static off_t
size_of(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? st.st_size : -1;
}

static void
test_reopen(void)
{
	char dir[] = "/tmp/grayd-log-XXXXXX", path[64], moved[64];
	struct stat st;
	struct err e;
	off_t before;

	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/log", dir);
	snprintf(moved, sizeof(moved), "%s/log.1", dir);
	CU_ASSERT_EQUAL_FATAL(log_open(path, LOG_INFO, &e), 0);
	CU_ASSERT_EQUAL(stat(path, &st), 0);
	CU_ASSERT_EQUAL(st.st_mode & 07777 & ~0640u, 0);
	log_event(LOG_INFO, "something", "one");
	CU_ASSERT_EQUAL(rename(path, moved), 0);
	log_event(LOG_INFO, "something", "two");
	before = size_of(moved);
	CU_ASSERT_EQUAL(log_reopen(&e), 0);
	log_event(LOG_INFO, "something", "three");
	CU_ASSERT_EQUAL(size_of(moved), before);
	CU_ASSERT(size_of(path) > 0);
	/* When the path cannot be opened the old file stays in use. */
	CU_ASSERT_EQUAL(rename(path, moved), 0);
	CU_ASSERT_EQUAL(mkdir(path, 0700), 0);
	CU_ASSERT_EQUAL(log_reopen(&e), -1);
	CU_ASSERT_PTR_NOT_NULL(strstr(e.msg, path));
	before = size_of(moved);
	log_event(LOG_INFO, "something", "four");
	CU_ASSERT(size_of(moved) > before);
	log_close();
	rmdir(path);
	unlink(moved);
	rmdir(dir);
}

static void
test_cannot_open(void)
{
	struct err e;

	CU_ASSERT_EQUAL(log_open("/nowhere/at/all", LOG_INFO, &e), -1);
	CU_ASSERT_PTR_NOT_NULL(strstr(e.msg, "/nowhere/at/all"));
	log_close();
}

/* ---- a log that does not take lines
 * --------------------------------------------------------------- */

struct tally {
	unsigned whole;
	unsigned long lost;
	int last;
};

static void
tally_line(const cJSON *line, void *arg)
{
	struct tally *t = arg;
	const cJSON *number = cJSON_GetObjectItemCaseSensitive(line, "n");

	if (number == NULL) {
		CU_ASSERT_STRING_EQUAL(member(line, "event"), "log_lost");
		t->lost += strtoul(member(line, "message"), NULL, 10);
		return;
	}
	CU_ASSERT(number->valueint > t->last);
	t->last = number->valueint;
	t->whole++;
}

static void
put_lines(int from, int n)
{
	for (int i = from; i < from + n; i++) {
		char line[600];
		int len = snprintf(
		    line, sizeof(line), "{\"n\":%d,\"pad\":\"%0*d\"}\n", i, 100 + i * 37 % 400, 0);

		log_line(line, (size_t)len);
		if (log_due(clock_mono_us()))
			log_flush();
	}
}

/* Reads and lets the log write until nothing is left on either side. */
static void
read_all(int fd)
{
	for (int round = 0; round < 200; round++) {
		size_t before = text_bytes;

		log_flush();
		drain(fd, false);
		if (!log_pending() && text_bytes == before)
			return;
	}
	CU_FAIL("the log does not come to an end");
}

/* Nobody reads while 20,000 lines come, then somebody does: each line is there or counted. */
static void
stall_and_recover(int fd)
{
	struct tally t = { .last = -1 };
	uint64_t dropped = log_dropped();

	put_lines(0, 20000);
	log_flush();
	CU_ASSERT(log_dropped() > dropped);
	read_all(fd);
	put_lines(20000, 10);
	read_all(fd);
	each_line(tally_line, &t);
	CU_ASSERT_EQUAL(t.last, 20009);
	CU_ASSERT_EQUAL(t.lost, log_dropped() - dropped);
	CU_ASSERT_EQUAL(t.whole + t.lost, 20010);
}

static void
test_stalled_pipe(void)
{
	int fd = log_to_pipe();

	stall_and_recover(fd);
	log_close();
	close(fd);
}

static void
test_stalled_socket(void)
{
	int ends[2];

	CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	log_adopt(ends[1]);
	text_bytes = 0;
	stall_and_recover(ends[0]);
	log_close();
	close(ends[0]);
}

/* `2>FILE`: what is written to stderr itself once overwrote the log's first lines. */
static void
test_stderr_is_a_file(void)
{
	char path[] = "/tmp/grayd-log-XXXXXX", got[2048];
	int file = mkstemp(path), saved = dup(STDERR_FILENO);
	struct err e;
	ssize_t n;

	CU_ASSERT_FATAL(file >= 0 && saved >= 0);
	dup2(file, STDERR_FILENO);
	CU_ASSERT_EQUAL_FATAL(log_open("stderr", LOG_INFO, &e), 0);
	log_event(LOG_INFO, "test", "the first line");
	(void)!write(STDERR_FILENO, "grayd: no\n", 10);
	log_close();
	dup2(saved, STDERR_FILENO);
	close(saved);
	n = pread(file, got, sizeof(got) - 1, 0);
	got[n > 0 ? n : 0] = '\0';
	CU_ASSERT_EQUAL(got[0], '{');
	CU_ASSERT_PTR_NOT_NULL(strstr(got, "\"the first line\"}\ngrayd: no\n"));
	close(file);
	unlink(path);
}

/* Standard error is shared with whoever started us: it is used without changing its mode, and
 * without waiting for it all the same. */
static void
test_stderr_keeps_its_mode(void)
{
	int saved = dup(STDERR_FILENO), ends[2];
	struct err e;

	CU_ASSERT_EQUAL_FATAL(pipe2(ends, O_CLOEXEC), 0);
	dup2(ends[1], STDERR_FILENO);
	text_bytes = 0;
	CU_ASSERT_EQUAL_FATAL(log_open("stderr", LOG_INFO, &e), 0);
	stall_and_recover(ends[0]);
	CU_ASSERT_EQUAL(fcntl(STDERR_FILENO, F_GETFL) & O_NONBLOCK, 0);
	log_close();
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(ends[0]);
	close(ends[1]);
}

/* The same where no open file of our own is to be had: a pipe that others opened for blocking. */
static void
test_blocking_descriptor(void)
{
	int ends[2];

	CU_ASSERT_EQUAL_FATAL(pipe2(ends, O_CLOEXEC), 0);
	log_adopt(ends[1]);
	text_bytes = 0;
	stall_and_recover(ends[0]);
	log_close();
	close(ends[0]);
}

/* The reader is gone for good, then the log is opened elsewhere. */
static void
test_reader_gone(void)
{
	int fd = log_to_pipe();
	uint64_t dropped = log_dropped();
	struct tally t = { .last = -1 };

	close(fd);
	put_lines(0, 1000);
	CU_ASSERT(log_dropped() > dropped);
	fd = log_to_pipe();
	read_all(fd);
	put_lines(1000, 10);
	read_all(fd);
	each_line(tally_line, &t);
	CU_ASSERT_EQUAL(t.lost, log_dropped() - dropped);
	CU_ASSERT_EQUAL(t.whole + t.lost, 1010);
	CU_ASSERT_EQUAL(t.last, 1009);
	log_close();
	close(fd);
}

static void
test_too_long_a_line(void)
{
	static char line[LOG_LINE_MAX + 1];
	int fd = log_to_pipe();
	uint64_t dropped = log_dropped();

	memset(line, ' ', sizeof(line));
	log_line(line, sizeof(line));
	CU_ASSERT_EQUAL(log_dropped(), dropped + 1);
	log_flush();
	log_close();
	close(fd);
}

/* ---- several processes
 * ---------------------------------------------------------------------------- */

static void
count_writer(const cJSON *line, void *arg)
{
	unsigned *seen = arg;
	const cJSON *number = cJSON_GetObjectItemCaseSensitive(line, "n");

	if (number != NULL)
		seen[number->valueint / 100000]++;
}

static void
test_lines_do_not_mix(void)
{
	enum { WRITERS = 3, LINES = 2000 };
	int fd = log_to_pipe();
	unsigned seen[WRITERS] = { 0 };

	for (int w = 0; w < WRITERS; w++) {
		pid_t pid = fork();

		CU_ASSERT_FATAL(pid >= 0);
		if (pid == 0) {
			log_after_fork("writer");
			put_lines(w * 100000, LINES);
			while (log_pending())
				log_flush();
			_exit(0);
		}
	}
	log_close(); /* our own writing end, so that the end is seen */
	fcntl(fd, F_SETFL, 0);
	drain(fd, true);
	while (wait(NULL) > 0)
		;
	each_line(count_writer, seen);
	for (int w = 0; w < WRITERS; w++)
		CU_ASSERT(seen[w] > 0 && seen[w] <= LINES);
	close(fd);
}

/* What the parent could not write yet is the parent's. */
static void
test_fork_takes_no_lines_along(void)
{
	static const char line[] = "{\"n\":1}\n";
	int fd = log_to_pipe();
	struct tally t = { .last = -1 };
	pid_t pid;

	log_line(line, sizeof(line) - 1);
	pid = fork();
	CU_ASSERT_FATAL(pid >= 0);
	if (pid == 0) {
		log_after_fork("child");
		log_flush();
		_exit(log_pending() ? 1 : 0);
	}
	while (wait(NULL) > 0)
		;
	log_flush();
	drain(fd, false);
	CU_ASSERT_EQUAL(each_line(tally_line, &t), 1);
	log_close();
	close(fd);
}

static void
test_due(void)
{
	static const char line[] = "{}\n";
	int fd = log_to_pipe();
	uint64_t now = clock_mono_us();

	CU_ASSERT_FALSE(log_due(now));
	log_line(line, sizeof(line) - 1);
	CU_ASSERT_FALSE(log_due(now));
	CU_ASSERT_TRUE(log_due(now + 1000 * US_PER_MS));
	for (unsigned i = 0; i < (16u << 10) / (sizeof(line) - 1); i++)
		log_line(line, sizeof(line) - 1);
	CU_ASSERT_TRUE(log_due(clock_mono_us()));
	log_close();
	close(fd);
}

static int
start(void)
{
	signal(SIGPIPE, SIG_IGN);
	return 0;
}

void
suite_log(void)
{
	CU_pSuite s = CU_add_suite("log", start, NULL);

	CU_add_test(s, "events", test_events);
	CU_add_test(s, "long events", test_long_events);
	CU_add_test(s, "levels", test_levels);
	CU_add_test(s, "reopen", test_reopen);
	CU_add_test(s, "cannot open", test_cannot_open);
	CU_add_test(s, "stalled pipe", test_stalled_pipe);
	CU_add_test(s, "stalled socket", test_stalled_socket);
	CU_add_test(s, "stderr is a file", test_stderr_is_a_file);
	CU_add_test(s, "stderr keeps its mode", test_stderr_keeps_its_mode);
	CU_add_test(s, "blocking descriptor", test_blocking_descriptor);
	CU_add_test(s, "reader gone", test_reader_gone);
	CU_add_test(s, "too long a line", test_too_long_a_line);
	CU_add_test(s, "lines do not mix", test_lines_do_not_mix);
	CU_add_test(s, "fork takes no lines along", test_fork_takes_no_lines_along);
	CU_add_test(s, "due", test_due);
}
