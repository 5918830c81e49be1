// SPDX-License-Identifier: MIT
/*
 * How records of the journal are spelled: what audit.c writes and audit_read.c reads. For these two
 * only.
 */
#pragma once

#include "common/audit.h"

#define AUDIT_NUMBER_MAX (UINT64_C(1) << 53) /* what JSON numbers carry exactly */

#define AUDIT_HEAD_1 "{\"sequence\":"
#define AUDIT_HEAD_2 ",\"before\":\""
#define AUDIT_TAIL   ",\"hash\":\"" /* 64 digits, a quote and a brace follow */

/* A member of struct policy_release that is an enum of one byte. */
struct audit_word {
	const char *name;
	size_t offset;
	const char *const *words;
	unsigned count;
};
extern const struct audit_word audit_words[];
extern const unsigned audit_n_words;

/* A member that is a number of `size` bytes, little-endian. */
struct audit_number {
	const char *name;
	size_t offset;
	unsigned size;
	uint64_t max;
};
extern const struct audit_number audit_numbers[];
extern const unsigned audit_n_numbers;

/* The members for policy_release.models: 16 hexadecimal digits. */
extern const char *const audit_models[ARM_COUNT];
