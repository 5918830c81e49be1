// SPDX-License-Identifier: MIT
/* See providerhead.h. Workers and the prober. */
#include "worker/providerhead.h"

#include <sodium.h>
#include <string.h>

int
providerhead_add(struct curl_slist **head, const char *line)
{
	struct curl_slist *more = curl_slist_append(*head, line);

	if (more == NULL)
		return -1;
	*head = more;
	return 0;
}

/* The key passes through `lines` and is wiped there. */
int
providerhead_make(
    struct curl_slist **head, const struct provider_ops *ops, const struct config_provider *p)
{
	struct buf lines = { 0 };
	int failed = ops->headers(p, &lines);

	for (size_t at = 0; failed == 0 && at < buf_len(&lines);) {
		const char *line = (const char *)buf_bytes(&lines) + at;

		at += strlen(line) + 1;
		failed = providerhead_add(head, line);
	}
	if (lines.data != NULL)
		sodium_memzero(lines.data, lines.cap);
	buf_free(&lines);
	return failed;
}

void
providerhead_free(struct curl_slist *head)
{
	for (struct curl_slist *line = head; line != NULL; line = line->next)
		sodium_memzero(line->data, strlen(line->data));
	curl_slist_free_all(head);
}
