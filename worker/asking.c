// SPDX-License-Identifier: MIT
/* See asking.h. Used by the prober. Invariant: the handle is in its multi exactly while a question
 * is on its way. */
#include "worker/asking.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/printable.h"
#include "worker/fences.h"
#include "worker/providerhead.h"

#define CONNECT_MS   5000L
#define KEY_GIVEAWAY 8 /* so much of a key's begin is as bad as all of it, and no accident */

static size_t
on_write(char *bytes, size_t size, size_t n, void *arg)
{
	struct asking *a = arg;

	n *= size;
	a->too_long = buf_len(&a->answer) + n > INQUIRY_ANSWER_MAX;
	if (a->too_long || buf_add(&a->answer, bytes, n) != 0)
		return CURL_WRITEFUNC_ERROR;
	return n;
}

/* No client is behind these requests: of its lines only the constant ones are there. */
static int
prepare_head(struct asking *a)
{
	static const struct client_lines nobody;
	const struct provider_ops *ops = provider_ops(a->provider->kind);
	const char *lines[PROVIDER_LINES_MAX];
	unsigned n;

	if (providerhead_make(&a->head, ops, a->provider) != 0)
		return -1;
	n = ops->lines != NULL ? ops->lines(&nobody, lines) : 0;
	for (unsigned i = 0; i < n; i++) {
		if (providerhead_add(&a->head, lines[i]) != 0)
			return -1;
	}
	return 0;
}

static bool
set_options(struct asking *a)
{
	CURL *easy = a->easy;

	return fences_set(easy, a->provider) &&
	       curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_HTTPHEADER, a->head) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_write) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_WRITEDATA, a) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, a->error) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_PRIVATE, a) == CURLE_OK;
}

struct asking *
asking_new(CURLM *multi, const struct config_provider *p)
{
	struct asking *a = calloc(1, sizeof(*a));

	if (a == NULL)
		return NULL;
	a->multi = multi;
	a->provider = p;
	a->easy = curl_easy_init();
	if (a->easy != NULL && inquiry_init(&a->inquiry, p->kind) == 0 && prepare_head(a) == 0 &&
	    set_options(a))
		return a;
	asking_free(a);
	return NULL;
}

void
asking_free(struct asking *a)
{
	if (a->easy != NULL)
		curl_easy_cleanup(a->easy);
	providerhead_free(a->head);
	buf_free(&a->answer);
	inquiry_fini(&a->inquiry);
	free(a);
}

static bool
send_question(struct asking *a, const char *path)
{
	char *url = NULL;
	bool sent;

	if (asprintf(&url, "%s%s", a->provider->base_url, path) < 0)
		return false;
	a->error[0] = '\0';
	a->too_long = false;
	buf_consume(&a->answer, buf_len(&a->answer));
	sent = curl_easy_setopt(a->easy, CURLOPT_URL, url) == CURLE_OK &&
	       curl_multi_add_handle(a->multi, a->easy) == CURLM_OK;
	free(url);
	return sent;
}

bool
asking_go_on(struct asking *a)
{
	char path[CATALOGUE_PATH_BYTES];

	if (!inquiry_next(&a->inquiry, path))
		return false;
	if (send_question(a, path))
		return true;
	inquiry_failed(&a->inquiry, "out of memory");
	return false;
}

/* What went wrong, in words for people; libcurl's own are good ones. */
static void
describe_failure(struct asking *a, CURLcode code, char why[CURL_ERROR_SIZE])
{
	const char *text = a->error[0] != '\0' ? a->error : curl_easy_strerror(code);

	if (a->too_long)
		text = "its answer is longer than 8 MiB";
	snprintf(why, CURL_ERROR_SIZE, "%s", text);
	printable_clean(why);
}

bool
asking_ended(struct asking *a, CURLcode code)
{
	char why[CURL_ERROR_SIZE];
	long status = 0;

	curl_multi_remove_handle(a->multi, a->easy);
	if (code == CURLE_OK)
		curl_easy_getinfo(a->easy, CURLINFO_RESPONSE_CODE, &status);
	if (status > 0) {
		inquiry_answered(
		    &a->inquiry, (unsigned)status, buf_bytes(&a->answer), buf_len(&a->answer));
	} else {
		describe_failure(a, code, why);
		inquiry_failed(&a->inquiry, why);
	}
	return asking_go_on(a);
}

static bool
holds_key(const struct asking *a, const char *text)
{
	const struct secret *key = a->provider->api_key;
	size_t least = key == NULL ? 0 : secret_len(key);

	if (least > KEY_GIVEAWAY)
		least = KEY_GIVEAWAY;
	return least > 0 && memmem(text, strlen(text), secret_text(key), least) != NULL;
}

void
asking_hide_key(struct asking *a)
{
	for (unsigned i = 0; i < a->inquiry.n; i++) {
		struct finding *f = &a->inquiry.models[i].finding;

		if (holds_key(a, f->why))
			strcpy(f->why, "what the provider says holds its key and is not shown");
		for (unsigned k = 0; k < f->n_alike; k++) {
			if (holds_key(a, f->alike[k]))
				f->n_alike = k;
		}
	}
}

void
asking_stop(struct asking *a)
{
	curl_multi_remove_handle(a->multi, a->easy);
	inquiry_failed(&a->inquiry, "it did not answer in time");
}
