// SPDX-License-Identifier: MIT
/* See journal_stage.h. */
#include "tests/unit/journal_stage.h"

#include <CUnit/CUnit.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "daemon/journal.h"
#include "daemon/journal_writer.h"

char stage_path[64];
struct master *stage_master;
struct journal_file stage_file;
struct err stage_refusal;

static struct child writer;
static int writer_fd = -1;

/* ---- the folder ------------------------------------------------------------------------------ */

void
stage_empty(void)
{
	DIR *d = opendir(stage_path);
	const struct dirent *entry;
	int fd = open(stage_path, O_RDONLY | O_DIRECTORY);

	while (d != NULL && (entry = readdir(d)) != NULL) {
		if (entry->d_name[0] != '.')
			unlinkat(fd, entry->d_name, 0);
	}
	if (d != NULL)
		closedir(d);
	close(fd);
}

/* Whatever files of the journal are there are not what they were. */
void
stage_damage_journal(void)
{
	char name[128];
	FILE *f;

	snprintf(name, sizeof(name), "%s/journal-00000000000000000001.jsonl", stage_path);
	f = fopen(name, "a");
	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	fputs("x\n", f);
	fclose(f);
}

/* ---- the stage ------------------------------------------------------------------------------- */

const char stage_usual[] = "\"a\": { \"stable\": \"s\", \"candidate\": \"c\" },"
			   "\"b\": { \"stable\": \"s\", \"candidate\": \"c\" }";

void
stage_open_master(const char *folder, const char *releases)
{
	struct err e = { "" };
	char text[1024];

	snprintf(text, sizeof(text),
	    "{ \"state_dir\": \"%s\", \"providers\": { \"p\": { \"base_url\": "
	    "\"http://127.0.0.1:1\" } }, \"models\": { \"s\": { \"provider\": \"p\" }, \"c\": { "
	    "\"provider\": \"p\" }, \"d\": { \"provider\": \"p\" } }, \"releases\": { %s } }",
	    folder, releases);
	stage_master = calloc(1, sizeof(*stage_master));
	CU_ASSERT_PTR_NOT_NULL_FATAL(stage_master);
	stage_master->config = config_parse("test", text, CONFIG_NO_SECRETS, &e);
	CU_ASSERT_STRING_EQUAL(e.msg, "");
	CU_ASSERT_PTR_NOT_NULL_FATAL(stage_master->config);
	CU_ASSERT_EQUAL_FATAL(policy_create(&stage_master->store, &e), 0);
	CU_ASSERT_EQUAL_FATAL(slots_create(&stage_master->slots, &e), 0);
	CU_ASSERT_EQUAL_FATAL(journal_open(stage_master, &e), 0);
	transition_begin(stage_master);
}

void
stage_close_master(void)
{
	transition_end(stage_master);
	journal_close(stage_master);
	slots_destroy(&stage_master->slots);
	policy_destroy(&stage_master->store);
	config_free((struct config *)(uintptr_t)stage_master->config);
	free(stage_master);
	stage_master = NULL;
}

/* ---- the writer ------------------------------------------------------------------------------ */

static void
say(const struct report_head *h)
{
	journal_writer_heard(&writer, h, sizeof(*h));
}

void
stage_start_writer(void)
{
	struct report_head hello = { .kind = REPORT_HELLO };
	struct journal_opening found;
	struct err e;
	int pair[2];

	CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair), 0);
	writer = (struct child){ .fd = pair[0], .master = stage_master, .pid = 1 };
	writer_fd = pair[1];
	CU_ASSERT_EQUAL_FATAL(
	    journal_file_open(&stage_file, open(stage_path, O_RDONLY | O_DIRECTORY), &found, &e),
	    0);
	journal_writer_started(&writer);
	hello.sequence = stage_file.end.sequence;
	hello.revision = stage_file.revision;
	hello.broken = found.broken.msg[0] != '\0';
	say(&hello);
}

void
stage_stop_writer(void)
{
	if (writer_fd < 0)
		return;
	journal_writer_ended(&writer);
	close(writer.fd);
	close(writer_fd);
	writer_fd = -1;
	close(stage_file.dir);
	journal_file_close(&stage_file);
}

static char order[AUDIT_LINE_MAX];
static size_t order_n;

/* Takes the next order. False: there is none. */
bool
stage_take_order(void)
{
	ssize_t n = recv(writer_fd, order, sizeof(order), 0);

	order_n = n > 0 ? (size_t)n : 0;
	return n > 0;
}

void
stage_write_order(void)
{
	const struct order_head *head = (const struct order_head *)(const void *)order;
	struct err e = { "" };

	CU_ASSERT_EQUAL(journal_file_append(&stage_file, order + sizeof(*head),
			    order_n - sizeof(*head), head->revision, &e),
	    0);
	CU_ASSERT_STRING_EQUAL(e.msg, "");
}

void
stage_confirm_order(const char *failure, bool unclean)
{
	struct report_head h = { .kind = REPORT_WRITTEN,
		.id = ((const struct order_head *)(const void *)order)->id,
		.failed = failure != NULL,
		.unclean = unclean,
		.sequence = stage_file.end.sequence };

	if (failure != NULL)
		err_set(&h.text, "%s", failure);
	say(&h);
}

/* Everything that waits is written and confirmed. */
void
stage_write_all(void)
{
	while (stage_take_order()) {
		stage_write_order();
		stage_confirm_order(NULL, false);
	}
}

void
stage_begin(void)
{
	stage_open_master(stage_path, stage_usual);
	stage_start_writer();
	stage_write_all();
}

void
stage_end(void)
{
	if (stage_master != NULL) {
		stage_stop_writer();
		stage_close_master();
	}
}

/* Nothing in memory survives. */
void
stage_restart_with(const char *releases)
{
	stage_end();
	stage_open_master(stage_path, releases);
	stage_start_writer();
	stage_write_all();
}

void
stage_restart(void)
{
	stage_restart_with(stage_usual);
}

/* ---- changes --------------------------------------------------------------------------------- */

static void
on_done(const struct receipt *r, void *arg)
{
	struct stage_heard *h = arg;

	h->times++;
	h->code = r->code;
	h->changed = r->changed;
	h->revision = r->revision;
	h->error = r->error;
}

enum ctl_code
stage_apply_if(enum release_command command, const char *release, uint32_t share_bp,
    uint64_t if_revision, struct stage_heard *h)
{
	struct change c = { .command = command,
		.release = release,
		.share_bp = share_bp,
		.if_revision = if_revision,
		.actor = { .name = "tester" },
		.received_us = clock_mono_us() };

	memset(h, 0, sizeof(*h));
	return transition_apply(stage_master, &c, on_done, h, &stage_refusal);
}

enum ctl_code
stage_weight(const char *release, uint32_t share_bp, struct stage_heard *h)
{
	return stage_apply_if(COMMAND_WEIGHT, release, share_bp, 0, h);
}

enum ctl_code
stage_rollback(const char *release, struct stage_heard *h)
{
	return stage_apply_if(COMMAND_ROLLBACK, release, 0, 0, h);
}

const struct policy_release *
stage_release(const char *name)
{
	return policy_find(&stage_master->policy, name);
}

unsigned
stage_share(const char *name)
{
	return stage_release(name)->share_bp;
}

int
stage_init(void)
{
	struct err e;

	snprintf(stage_path, sizeof(stage_path), "/tmp/grayd-raise-XXXXXX");
	return mkdtemp(stage_path) != NULL ? log_open("/dev/null", LOG_INFO, &e) : -1;
}

int
stage_fini(void)
{
	log_close();
	return rmdir(stage_path);
}
