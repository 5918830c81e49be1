// SPDX-License-Identifier: MIT
/*
 * The sockets of one provider's pool, as events on the worker's loop. A socket stays registered for
 * reading when libcurl loses interest in it between two requests, which saves four system calls a
 * request; if it becomes readable then, the provider has closed it, and it is dropped.
 */
#pragma once

#include <curl/curl.h>
#include <event2/event.h>

struct upstream_sock;

struct upstream_socks {
	struct worker *worker;
	CURLM *multi;
	struct upstream_sock **by_fd; /* NULL where there is none */
	size_t n;
};

/* Ties the pool's sockets to the loop (CURLMOPT_SOCKETFUNCTION). */
void upstream_socks_init(struct upstream_socks *s, struct worker *w, CURLM *multi);
void upstream_socks_fini(struct upstream_socks *s);
/* CURLOPT_OPENSOCKETFUNCTION; `socks` is the struct upstream_socks. */
curl_socket_t upstream_sock_open(void *socks, curlsocktype purpose, struct curl_sockaddr *address);
/* CURLOPT_CLOSESOCKETFUNCTION; `socks` is the struct upstream_socks. */
int upstream_sock_close(void *socks, curl_socket_t fd);
