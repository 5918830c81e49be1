// SPDX-License-Identifier: MIT
/* The log of requests; see record.h. */
#include "tests/load/record.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define FLUSH_BYTES (256 * 1024)

static const char csv_head[] =
    "id,user,verdict,status,arm,fallback,fallback_reason,attempts,model,"
    "t_due_us,t_start_us,t_first_byte_us,t_end_us,t_left_us,bytes,events,reused,blake2b\n";

static const char csv_line[] =
    "%s,%s,%s,%u,%s,%s,%s,%s,%s,%llu,%llu,%llu,%llu,%llu,%llu,%u,%d,%s\n";

static const char json_line[] =
    "{\"id\":\"%s\",\"user\":\"%s\",\"verdict\":\"%s\",\"status\":%u,\"arm\":\"%s\","
    "\"fallback\":\"%s\",\"fallback_reason\":\"%s\",\"attempts\":\"%s\",\"model\":\"%s\","
    "\"t_due_us\":%llu,\"t_start_us\":%llu,\"t_first_byte_us\":%llu,\"t_end_us\":%llu,"
    "\"t_left_us\":%llu,\"bytes\":%llu,\"events\":%u,\"reused\":%d,\"blake2b\":\"%s\"}\n";

int
record_log_open(struct record_log *l, const char *path, struct err *e)
{
	size_t len;

	memset(l, 0, sizeof(*l));
	l->fd = -1;
	if (path == NULL)
		return 0;
	l->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (l->fd < 0)
		return err_sys(e, "%s", path);
	len = strlen(path);
	l->json = len >= 4 && strcmp(path + len - 4, "json") == 0;
	return l->json || buf_adds(&l->out, csv_head) == 0 ? 0 : err_set(e, "out of memory");
}

static void
flush(struct record_log *l)
{
	ssize_t n;

	while (buf_len(&l->out) > 0) {
		n = write(l->fd, buf_bytes(&l->out), buf_len(&l->out));
		if (n <= 0) {
			l->dropped++;
			buf_consume(&l->out, buf_len(&l->out));
			return;
		}
		buf_consume(&l->out, (size_t)n);
	}
}

static unsigned long long
wall(const struct record_log *l, uint64_t mono_us)
{
	return mono_us == 0 ? 0 : (unsigned long long)((int64_t)mono_us + l->wall_offset_us);
}

static void
digest_hex(struct answer *a, char out[2 * ANSWER_HASH_BYTES + 1])
{
	uint8_t digest[ANSWER_HASH_BYTES];

	out[0] = '\0';
	if (a->body_bytes == 0)
		return;
	answer_hash(a, digest);
	sodium_bin2hex(out, 2 * ANSWER_HASH_BYTES + 1, digest, sizeof(digest));
}

void
record_log_add(struct record_log *l, const struct record *r)
{
	struct answer *a = r->answer;
	char digest[2 * ANSWER_HASH_BYTES + 1];

	if (l->fd < 0)
		return;
	digest_hex(a, digest);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	if (buf_addf(&l->out, l->json ? json_line : csv_line, r->id, r->key,
		verdict_names[r->verdict], a->status, a->arm, a->fallback, a->reason, a->attempts,
		a->model, wall(l, r->due_us), wall(l, r->start_us), wall(l, r->first_us),
		wall(l, r->end_us), wall(l, r->left_us), (unsigned long long)a->body_bytes,
		a->sse.events, r->reused, digest) < 0)
		l->dropped++;
#pragma GCC diagnostic pop
	if (buf_len(&l->out) >= FLUSH_BYTES)
		flush(l);
}

void
record_log_close(struct record_log *l)
{
	if (l->fd >= 0) {
		flush(l);
		close(l->fd);
	}
	buf_free(&l->out);
}
