// SPDX-License-Identifier: MIT
/*
 * How a neutral request is said in the API of a provider. Used by the writers (xlate_write_*.c)
 * only. Pure.
 */
#pragma once

#include "worker/xlate_ask.h"

/* "NAME":"SPAN", if there is one. */
void ask_put_string(const struct ask *a, struct jout *o, const char *name, struct jspan span);
/* "NAME":SPAN, if there is one. */
void ask_put_value(const struct ask *a, struct jout *o, const char *name, struct jspan span);
/* "NAME":["SPAN", ...], if there are any. */
void ask_put_strings(
    const struct ask *a, struct jout *o, const char *name, const struct ask_list *spans);
/* The texts of parts, joined by blank lines, as one string. */
void ask_put_texts(const struct ask *a, struct jout *o, const struct ask_part *parts, uint32_t n);
/* Writes the arguments of a call as a JSON object; refuses what is none. */
bool ask_write_object(struct ask *a, const struct ask_part *call, struct jout *o);
/* The number that a span writes; 0 if there is none. */
double ask_real(const struct ask *a, struct jspan span);
