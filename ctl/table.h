// SPDX-License-Identifier: MIT
/*
 * A table for people: columns as wide as their widest cell, figures to the right, words to the
 * left. What is put in comes out printable, whoever wrote it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "common/err.h"

#define TABLE_COLUMNS 16

enum colour { COLOUR_NONE, COLOUR_BOLD, COLOUR_GOOD, COLOUR_WARN, COLOUR_BAD, COLOUR_FAINT };

struct table_cell {
	char *text;
	enum colour colour;
};

struct table {
	unsigned n_columns;
	bool right[TABLE_COLUMNS]; /* aligned to the right */
	struct table_cell *cells;
	size_t n_cells, room;
};

/* `headers`: one a column, NULL after the last; a leading '>' aligns the column to the right. A
 * table whose headers are all empty prints none. */
void table_init(struct table *t, const char *const headers[]);
/* The next cell, from left to right and row by row. Without memory the table loses it. */
void table_put(struct table *t, const char *fmt, ...) PRINTF_LIKE(2, 3);
void table_put_coloured(struct table *t, enum colour colour, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
/* Prints, indented by `indent`, and frees. */
void table_print(struct table *t, FILE *out, bool colour, unsigned indent);

/* The escape that begins a colour, and the one that ends any; empty without colour. */
const char *colour_begin(enum colour c, bool colour);
const char *colour_end(enum colour c, bool colour);
