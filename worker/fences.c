// SPDX-License-Identifier: MIT
/* See fences.h. Workers and the prober. */
#include "worker/fences.h"

#include <string.h>

#define IDLE_CONNECTION_S 30L
#define DNS_CACHE_S	  60L

static bool
set_fences(CURL *easy)
{
	return curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) ==
		   CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_NOPROXY, "*") == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_HTTP09_ALLOWED, 0L) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, IDLE_CONNECTION_S) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_DNS_CACHE_TIMEOUT, DNS_CACHE_S) == CURLE_OK;
}

static bool
set_provider(CURL *easy, const struct config_provider *p)
{
	bool https_only = strncmp(p->base_url, "https:", 6) == 0;

	if (https_only && curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "https") != CURLE_OK)
		return false;
	if (p->proxy[0] != '\0' && curl_easy_setopt(easy, CURLOPT_NOPROXY, "") != CURLE_OK)
		return false;
	if (p->ca_file[0] != '\0' && curl_easy_setopt(easy, CURLOPT_CAINFO, p->ca_file) != CURLE_OK)
		return false;
	return curl_easy_setopt(easy, CURLOPT_PROXY, p->proxy) == CURLE_OK;
}

bool
fences_set(CURL *easy, const struct config_provider *p)
{
	return set_fences(easy) && set_provider(easy, p);
}
