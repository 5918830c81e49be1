// SPDX-License-Identifier: MIT
/* What the service manager is told: addresses, the watchdog's pace, and real datagrams. */
#include "daemon/notify.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void suite_notify(void);

static void
test_address(void)
{
	static const char *const bad[] = { "", "/", "@", "relative", "vsock:2:1" };
	struct sockaddr_un where;
	socklen_t length;
	char text[200];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CU_ASSERT_FALSE(notify_address(bad[i], &where, &length));
	memset(text, 'x', sizeof(text));
	text[0] = '/';
	text[sizeof(where.sun_path)] = '\0';
	CU_ASSERT_FALSE(notify_address(text, &where, &length));
	text[sizeof(where.sun_path) - 1] = '\0';
	CU_ASSERT_TRUE(notify_address(text, &where, &length));
	CU_ASSERT_TRUE(notify_address("/run/notify", &where, &length));
	CU_ASSERT_STRING_EQUAL(where.sun_path, "/run/notify");
	CU_ASSERT_TRUE(notify_address("@hidden", &where, &length));
	CU_ASSERT_EQUAL(where.sun_path[0], '\0');
	CU_ASSERT_STRING_EQUAL(where.sun_path + 1, "hidden");
	CU_ASSERT_EQUAL(length, sizeof(sa_family_t) + strlen("@hidden"));
}

static void
test_interval(void)
{
	CU_ASSERT_EQUAL(notify_interval_us("10000000", "42", 42), 5000000);
	CU_ASSERT_EQUAL(notify_interval_us("10000000", NULL, 42), 5000000);
	CU_ASSERT_EQUAL(notify_interval_us("10000000", "41", 42), 0);
	CU_ASSERT_EQUAL(notify_interval_us(NULL, "42", 42), 0);
	CU_ASSERT_EQUAL(notify_interval_us("", NULL, 42), 0);
	CU_ASSERT_EQUAL(notify_interval_us("-5", NULL, 42), 0);
	CU_ASSERT_EQUAL(notify_interval_us("10s", NULL, 42), 0);
}

/* The next datagram; "": none came. */
static const char *
received(int fd)
{
	static char text[600];
	ssize_t n = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);

	text[n > 0 ? n : 0] = '\0';
	return text;
}

static void
test_datagrams(void)
{
	char name[64];
	struct sockaddr_un where;
	socklen_t length;
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

	snprintf(name, sizeof(name), "@grayd-test-notify-%d", (int)getpid());
	CU_ASSERT_TRUE_FATAL(notify_address(name, &where, &length));
	CU_ASSERT_EQUAL_FATAL(bind(fd, (const struct sockaddr *)&where, length), 0);
	notify_send("READY=1"); /* not open: goes nowhere */
	setenv("NOTIFY_SOCKET", name, 1);
	setenv("WATCHDOG_USEC", "2000", 1);
	unsetenv("WATCHDOG_PID");
	notify_open();
	CU_ASSERT_STRING_EQUAL(received(fd), "");
	notify_send("READY=1\nSTATUS=Generation %d serves", 3);
	CU_ASSERT_STRING_EQUAL(received(fd), "READY=1\nSTATUS=Generation 3 serves");
	notify_alive(5000);
	CU_ASSERT_STRING_EQUAL(received(fd), "WATCHDOG=1");
	notify_alive(5999);
	CU_ASSERT_STRING_EQUAL(received(fd), "");
	notify_alive(6000);
	CU_ASSERT_STRING_EQUAL(received(fd), "WATCHDOG=1");
	notify_close();
	notify_send("READY=1");
	CU_ASSERT_STRING_EQUAL(received(fd), "");
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	close(fd);
}

void
suite_notify(void)
{
	CU_pSuite s = CU_add_suite("notify", NULL, NULL);

	CU_add_test(s, "addresses", test_address);
	CU_add_test(s, "the watchdog's interval", test_interval);
	CU_add_test(s, "datagrams", test_datagrams);
}
