// SPDX-License-Identifier: MIT
/* Addresses of the load generator; see target.h. */
#include "tests/load/target.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

static int
parse_unix(struct target *t, const char *path, struct err *e)
{
	struct sockaddr_un *un = (struct sockaddr_un *)&t->address;

	if (path[0] != '/' || strlen(path) >= sizeof(un->sun_path))
		return err_set(e, "unix:%s: expected an absolute path shorter than %zu bytes", path,
		    sizeof(un->sun_path));
	un->sun_family = AF_UNIX;
	strcpy(un->sun_path, path);
	t->length = sizeof(*un);
	strcpy(t->host, "localhost");
	return 0;
}

static int
set_v4(struct target *t, const char *host, uint16_t port)
{
	struct sockaddr_in *in = (struct sockaddr_in *)&t->address;

	if (inet_pton(AF_INET, host, &in->sin_addr) != 1 || ntohl(in->sin_addr.s_addr) >> 24 != 127)
		return -1;
	in->sin_family = AF_INET;
	in->sin_port = htons(port);
	t->length = sizeof(*in);
	return 0;
}

static int
set_v6(struct target *t, const char *host, uint16_t port)
{
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&t->address;

	if (inet_pton(AF_INET6, host, &in6->sin6_addr) != 1 ||
	    !IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr))
		return -1;
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(port);
	t->length = sizeof(*in6);
	return 0;
}

static int
parse_port(const char *text, uint16_t *port)
{
	char *end;
	long n = strtol(text, &end, 10);

	if (end == text || *end != '\0' || n < 1 || n > 65535)
		return -1;
	*port = (uint16_t)n;
	return 0;
}

int
target_parse(struct target *t, const char *url, struct err *e)
{
	char authority[128], *colon, *host = authority;
	const char *slash;
	uint16_t port;

	memset(t, 0, sizeof(*t));
	if (strncmp(url, "unix:", 5) == 0)
		return parse_unix(t, url + 5, e);
	if (strncmp(url, "http://", 7) != 0)
		return err_set(e, "'%s': expected http://HOST:PORT[/path] or unix:/path", url);
	url += 7;
	slash = strchrnul(url, '/');
	if ((size_t)(slash - url) >= sizeof(authority) || strlen(slash) >= sizeof(t->path))
		return err_set(e, "the URL is too long");
	memcpy(authority, url, (size_t)(slash - url));
	authority[slash - url] = '\0';
	strcpy(t->host, authority);
	strcpy(t->path, slash);
	colon = strrchr(authority, ':');
	if (colon == NULL || parse_port(colon + 1, &port) < 0)
		return err_set(e, "'%s': the port is missing", authority);
	*colon = '\0';
	if (strcmp(host, "localhost") == 0)
		host = strcpy(authority, "127.0.0.1");
	if (host[0] == '[' && colon[-1] == ']') {
		colon[-1] = '\0';
		host++;
	}
	if (set_v4(t, host, port) < 0 && set_v6(t, host, port) < 0)
		return err_set(e, "'%s' is not a loopback address; load goes nowhere else", host);
	return 0;
}

int
target_connect(const struct target *t)
{
	int family = t->address.ss_family, one = 1, saved;
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	if (family != AF_UNIX)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(fd, (const struct sockaddr *)&t->address, t->length) < 0 &&
	    errno != EINPROGRESS) {
		saved = errno;
		close(fd);
		errno = saved;
		return -1;
	}
	return fd;
}
