// SPDX-License-Identifier: MIT
/* See notify.h. The variables stay in the environment: the binary of an upgrade needs them too. */
#include "daemon/notify.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct {
	int fd;
	struct sockaddr_un where;
	socklen_t length;
	uint64_t interval_us, next_us;
} state = { .fd = -1 };

bool
notify_address(const char *text, struct sockaddr_un *where, socklen_t *length)
{
	size_t n = strlen(text);

	if ((text[0] != '/' && text[0] != '@') || n < 2 || n >= sizeof(where->sun_path))
		return false;
	memset(where, 0, sizeof(*where));
	where->sun_family = AF_UNIX;
	memcpy(where->sun_path, text, n);
	if (text[0] == '@')
		where->sun_path[0] = '\0';
	*length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
	return true;
}

uint64_t
notify_interval_us(const char *watchdog_usec, const char *watchdog_pid, pid_t self)
{
	char *end;
	unsigned long long us;

	if (watchdog_usec == NULL || *watchdog_usec < '0' || *watchdog_usec > '9')
		return 0;
	us = strtoull(watchdog_usec, &end, 10);
	if (*end != '\0')
		return 0;
	if (watchdog_pid != NULL && strtoll(watchdog_pid, NULL, 10) != self)
		return 0;
	return us / 2;
}

void
notify_open(void)
{
	const char *text = getenv("NOTIFY_SOCKET");

	if (text == NULL || !notify_address(text, &state.where, &state.length))
		return;
	state.fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	state.interval_us =
	    notify_interval_us(getenv("WATCHDOG_USEC"), getenv("WATCHDOG_PID"), getpid());
}

void
notify_close(void)
{
	if (state.fd >= 0)
		close(state.fd);
	state.fd = -1;
}

void
notify_send(const char *fmt, ...)
{
	char text[512];
	va_list ap;

	if (state.fd < 0)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	(void)!sendto(state.fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT,
	    (const struct sockaddr *)&state.where, state.length);
}

void
notify_alive(uint64_t now_us)
{
	if (state.interval_us == 0 || now_us < state.next_us)
		return;
	state.next_us = now_us + state.interval_us;
	notify_send("WATCHDOG=1");
}
