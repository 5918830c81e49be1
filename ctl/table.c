// SPDX-License-Identifier: MIT
/* Tables; see table.h. */
#include "ctl/table.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/printable.h"

static const char *const escapes[] = {
	[COLOUR_NONE] = "",
	[COLOUR_BOLD] = "\033[1m",
	[COLOUR_GOOD] = "\033[32m",
	[COLOUR_WARN] = "\033[33m",
	[COLOUR_BAD] = "\033[31m",
	[COLOUR_FAINT] = "\033[2m",
};

const char *
colour_begin(enum colour c, bool colour)
{
	return colour ? escapes[c] : "";
}

const char *
colour_end(enum colour c, bool colour)
{
	return colour && c != COLOUR_NONE ? "\033[0m" : "";
}

static void PRINTF_LIKE(3, 0) put(struct table *t, enum colour colour, const char *fmt, va_list ap)
{
	char *text;

	if (t->n_cells == t->room) {
		size_t room = t->room == 0 ? 64 : t->room * 2;
		struct table_cell *cells = realloc(t->cells, room * sizeof(*cells));

		if (cells == NULL)
			return;
		t->cells = cells;
		t->room = room;
	}
	if (vasprintf(&text, fmt, ap) == -1)
		text = NULL;
	else
		printable_clean(text);
	t->cells[t->n_cells++] = (struct table_cell){ .text = text, .colour = colour };
}

void
table_put(struct table *t, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	put(t, COLOUR_NONE, fmt, ap);
	va_end(ap);
}

void
table_put_coloured(struct table *t, enum colour colour, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	put(t, colour, fmt, ap);
	va_end(ap);
}

void
table_init(struct table *t, const char *const headers[])
{
	bool empty = true;

	memset(t, 0, sizeof(*t));
	for (unsigned i = 0; headers[i] != NULL; i++) {
		assert(i < TABLE_COLUMNS);
		t->right[i] = headers[i][0] == '>';
		t->n_columns++;
		if (headers[i][t->right[i]] != '\0')
			empty = false;
	}
	for (unsigned i = 0; !empty && i < t->n_columns; i++)
		table_put_coloured(t, COLOUR_FAINT, "%s", headers[i] + t->right[i]);
}

static const char *
cell_text(const struct table_cell *cell)
{
	return cell->text == NULL ? "" : cell->text;
}

/* Whether nothing follows it in its row: lines do not end in spaces. */
static bool
is_last(const struct table *t, size_t i)
{
	for (i++; i < t->n_cells && i % t->n_columns != 0; i++)
		if (cell_text(&t->cells[i])[0] != '\0')
			return false;
	return true;
}

static void
print_cell(
    const struct table *t, size_t i, const size_t widths[TABLE_COLUMNS], FILE *out, bool colour)
{
	const struct table_cell *cell = &t->cells[i];
	size_t column = i % t->n_columns;
	int fill = (int)(widths[column] - printable_width(cell_text(cell)));
	bool last = is_last(t, i);

	fprintf(out, "%*s%s%s%s", t->right[column] ? fill : 0, "",
	    colour_begin(cell->colour, colour), cell_text(cell), colour_end(cell->colour, colour));
	if (!last)
		fprintf(out, "%*s", 2 + (t->right[column] ? 0 : fill), "");
}

void
table_print(struct table *t, FILE *out, bool colour, unsigned indent)
{
	size_t widths[TABLE_COLUMNS] = { 0 };

	for (size_t i = 0; i < t->n_cells; i++) {
		size_t width = printable_width(cell_text(&t->cells[i]));

		if (width > widths[i % t->n_columns])
			widths[i % t->n_columns] = width;
	}
	for (size_t i = 0; i < t->n_cells; i++) {
		if (i % t->n_columns == 0)
			fprintf(out, "%*s", (int)indent, "");
		print_cell(t, i, widths, out, colour);
		if (is_last(t, i)) {
			fputc('\n', out);
			i += t->n_columns - 1 - i % t->n_columns;
		}
	}
	for (size_t i = 0; i < t->n_cells; i++)
		free(t->cells[i].text);
	free(t->cells);
	memset(t, 0, sizeof(*t));
}
