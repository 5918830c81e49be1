// SPDX-License-Identifier: MIT
/* Addresses to listen on; see address.h. */
#include "common/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/un.h>

static const char *
parse_unix(const char *path, struct address *a)
{
	struct sockaddr_un *un = (struct sockaddr_un *)(void *)&a->storage;

	_Static_assert(sizeof(un->sun_path) == UNIX_PATH_MAX + 1, "the path and its NUL");
	if (*path == '\0' || strlen(path) > UNIX_PATH_MAX)
		return "a path of 1 to 107 bytes after \"unix:\"";
	un->sun_family = AF_UNIX;
	strcpy(un->sun_path, path);
	a->length = sizeof(*un);
	return NULL;
}

/* 0 to 65535, digits only; -1: something else. */
static long
parse_port(const char *text)
{
	size_t n = strspn(text, "0123456789");
	long port = 0;

	if (n == 0 || n > 5 || text[n] != '\0')
		return -1;
	for (; *text != '\0'; text++)
		port = port * 10 + (*text - '0');
	return port <= UINT16_MAX ? port : -1;
}

static bool
parse_host(const char *host, uint16_t port, struct address *a)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)(void *)&a->storage;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)(void *)&a->storage;
	size_t n = strlen(host);
	char bare[64] = "";

	if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(port);
		a->length = sizeof(*v4);
		return true;
	}
	if (n < 2 || n > 64 || host[0] != '[' || host[n - 1] != ']')
		return false;
	memcpy(bare, host + 1, n - 2);
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons(port);
	a->length = sizeof(*v6);
	return inet_pton(AF_INET6, bare, &v6->sin6_addr) == 1;
}

const char *
address_parse(const char *text, struct address *a)
{
	const char *colon = strrchr(text, ':');
	char host[72] = "";
	long port;

	memset(a, 0, sizeof(*a));
	if (strncmp(text, "unix:", 5) == 0)
		return parse_unix(text + 5, a);
	if (colon == NULL || (size_t)(colon - text) >= sizeof(host))
		return "\"HOST:PORT\" or \"unix:/path\"";
	port = parse_port(colon + 1);
	if (port < 0)
		return "a port from 0 to 65535 after the last colon";
	memcpy(host, text, (size_t)(colon - text));
	if (!parse_host(host, (uint16_t)port, a))
		return "an IP address before the port, such as 127.0.0.1 or [::1]";
	return NULL;
}

bool
address_is_local(const struct address *a)
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)&a->storage;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)&a->storage;

	if (a->storage.ss_family == AF_UNIX)
		return true;
	if (a->storage.ss_family == AF_INET)
		return ntohl(v4->sin_addr.s_addr) >> 24 == 127;
	return IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
}

bool
address_is_bound(const struct address *a, const struct sockaddr_storage *bound, socklen_t length)
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)&a->storage;
	const struct sockaddr_in *b4 = (const struct sockaddr_in *)(const void *)bound;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)&a->storage;
	const struct sockaddr_in6 *b6 = (const struct sockaddr_in6 *)(const void *)bound;
	const struct sockaddr_un *un = (const struct sockaddr_un *)(const void *)&a->storage;
	const struct sockaddr_un *bn = (const struct sockaddr_un *)(const void *)bound;

	if (length < sizeof(sa_family_t) || a->storage.ss_family != bound->ss_family)
		return false;
	if (bound->ss_family == AF_INET)
		return v4->sin_port == b4->sin_port && v4->sin_addr.s_addr == b4->sin_addr.s_addr;
	if (bound->ss_family == AF_INET6)
		return v6->sin6_port == b6->sin6_port &&
		       memcmp(&v6->sin6_addr, &b6->sin6_addr, sizeof(v6->sin6_addr)) == 0;
	return bound->ss_family == AF_UNIX && length > offsetof(struct sockaddr_un, sun_path) &&
	       strncmp(un->sun_path, bn->sun_path, sizeof(un->sun_path)) == 0;
}
