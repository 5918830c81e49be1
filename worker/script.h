// SPDX-License-Identifier: MIT
/*
 * Which writing systems a text uses, by counting the letters of its first few hundred bytes: an
 * answer in another script than its prompt is a symptom of a broken model. Text is taken as JSON
 * writes it: UTF-8 or \u escapes. Chinese, Japanese and Korean count as one. Used by the workers.
 * Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum script {
	SCRIPT_LATIN,
	SCRIPT_GREEK,
	SCRIPT_CYRILLIC,
	SCRIPT_HEBREW,
	SCRIPT_ARABIC,
	SCRIPT_INDIC,
	SCRIPT_THAI,
	SCRIPT_EAST_ASIAN,
	SCRIPT_COUNT
};

#define SCRIPT_BYTES 256 /* so much of a text is looked at */

/* All zero: nothing has come. */
struct script_count {
	uint16_t letters[SCRIPT_COUNT];
	uint16_t bytes;
};

/* Adds a piece of a text, which begins and ends between two characters or escapes. */
void script_add(struct script_count *c, const void *text, size_t n);
/* Adds the texts of a prompt, which is JSON: an array of messages, or a string. */
#define SCRIPT_PROMPT_BYTES 2000 /* longer ones are better looked at in part */
void script_add_prompt(struct script_count *c, const void *json, size_t n);
/* Whether there is nothing but ASCII. */
bool script_is_ascii(const void *json, size_t n);
bool script_is_latin(const struct script_count *c);
/* Whether most of an answer is in a script of which the prompt has next to nothing. Short answers
 * are never foreign. */
bool script_foreign(const struct script_count *answer, const struct script_count *prompt);
