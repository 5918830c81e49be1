// SPDX-License-Identifier: MIT
/*
 * The ledger as JSON, as one JSON object a line, and as CSV. One table of columns serves all three;
 * a column knows how to print its value and whether that is a string.
 */
#include "tests/simprovider/ledger.h"

struct row {
	const struct ledger *ledger;
	const struct entry *entry;
	uint64_t id;
	struct str request_id;
};

static const char *const state_names[STATES] = { "active", "finished", "cancelled", "faulted" };
/* In the order of enum told. */
static const char *const told_names[] = { "none", "input", "all" };

static void
print_id(const struct row *row, struct text *out)
{
	text_u64(out, row->id);
}

static void
print_request_id(const struct row *row, struct text *out)
{
	text_json(out, row->request_id);
}

static void
print_model(const struct row *row, struct text *out)
{
	text_span(out, row->ledger->models.items[row->entry->model]);
}

static void
print_key(const struct row *row, struct text *out)
{
	if (row->entry->key[0] != '\0')
		text_add(out, row->entry->key, sizeof(row->entry->key));
}

static void
print_path(const struct row *row, struct text *out)
{
	text_json(out, row->ledger->paths.items[row->entry->path]);
}

static void
print_state(const struct row *row, struct text *out)
{
	text_str(out, state_names[row->entry->state]);
}

static void
print_fault(const struct row *row, struct text *out)
{
	text_str(out, fault_name(row->entry->fault));
}

static void
print_told(const struct row *row, struct text *out)
{
	text_str(out, told_names[row->entry->told]);
}

static void
print_stream(const struct row *row, struct text *out)
{
	text_str(out, row->entry->stream ? "true" : "false");
}

static void
print_sha256(const struct row *row, struct text *out)
{
	if (row->entry->state != STATE_ACTIVE)
		text_hex(out, row->entry->sha256, sizeof(row->entry->sha256));
}

#define NUMBER(member)                                                      \
	static void print_##member(const struct row *row, struct text *out) \
	{                                                                   \
		text_u64(out, row->entry->member);                          \
	}
NUMBER(status)
NUMBER(bytes_in)
NUMBER(bytes_out)
NUMBER(chunks)
NUMBER(input)
NUMBER(cached)
NUMBER(written)
NUMBER(output)
NUMBER(reasoning)
NUMBER(told_output)
NUMBER(start_us)
NUMBER(end_us)
NUMBER(close_us)

static const struct column {
	const char *name;
	void (*print)(const struct row *row, struct text *out);
	bool is_string;
} columns[] = {
	{ "id", print_id, false },
	{ "request_id", print_request_id, true },
	{ "model", print_model, true },
	{ "key_digest", print_key, true },
	{ "path", print_path, true },
	{ "stream", print_stream, false },
	{ "state", print_state, true },
	{ "status", print_status, false },
	{ "fault", print_fault, true },
	{ "bytes_in", print_bytes_in, false },
	{ "bytes_out", print_bytes_out, false },
	{ "chunks", print_chunks, false },
	{ "input_tokens", print_input, false },
	{ "cached_tokens", print_cached, false },
	{ "cache_write_tokens", print_written, false },
	{ "output_tokens", print_output, false },
	{ "reasoning_tokens", print_reasoning, false },
	{ "told", print_told, true },
	{ "told_output_tokens", print_told_output, false },
	{ "t_start_us", print_start_us, false },
	{ "t_end_us", print_end_us, false },
	{ "t_close_us", print_close_us, false },
	{ "sha256", print_sha256, true },
};

#define COLUMNS (sizeof(columns) / sizeof(columns[0]))

static void
print_json(const struct row *row, struct text *out)
{
	for (size_t i = 0; i < COLUMNS; i++) {
		text_str(out, i > 0 ? ",\"" : "{\"");
		text_str(out, columns[i].name);
		text_str(out, columns[i].is_string ? "\":\"" : "\":");
		columns[i].print(row, out);
		if (columns[i].is_string)
			text_lit(out, "\"");
	}
	text_lit(out, "}");
}

static void
print_csv(const struct row *row, struct text *out)
{
	struct text field = { 0 };

	for (size_t i = 0; i < COLUMNS; i++) {
		if (i > 0)
			text_lit(out, ",");
		if (!columns[i].is_string) {
			columns[i].print(row, out);
			continue;
		}
		text_clear(&field);
		columns[i].print(row, &field);
		text_csv(out, (struct str){ (const char *)field.buf.data, text_len(&field) });
	}
	text_free(&field);
	text_lit(out, "\n");
}

void
ledger_print_head(enum ledger_format format, struct text *out)
{
	if (format == LEDGER_JSON)
		text_lit(out, "{\"attempts\":[\n");
	for (size_t i = 0; format == LEDGER_CSV && i < COLUMNS; i++) {
		if (i > 0)
			text_lit(out, ",");
		text_str(out, columns[i].name);
	}
	if (format == LEDGER_CSV)
		text_lit(out, "\n");
}

void
ledger_print_entry(const struct ledger *ledger, uint64_t id, enum ledger_format format, bool first,
    struct text *out)
{
	struct row row = { .ledger = ledger, .id = id };

	row.entry = ledger_get(ledger, id, &row.request_id);
	if (row.entry == NULL)
		return;
	if (format == LEDGER_CSV) {
		print_csv(&row, out);
		return;
	}
	if (format == LEDGER_JSON && !first)
		text_lit(out, ",\n");
	print_json(&row, out);
	if (format == LEDGER_NDJSON)
		text_lit(out, "\n");
}

void
ledger_print_tail(const struct ledger *ledger, enum ledger_format format, struct text *out)
{
	if (format != LEDGER_JSON)
		return;
	text_lit(out, "\n],\"last\":");
	text_u64(out, ledger->last);
	text_lit(out, ",\"dropped\":");
	text_u64(out, ledger->keeps ? ledger_oldest(ledger) - 1 : ledger->last);
	text_lit(out, "}\n");
}

static void
print_number(struct text *out, const char *name, uint64_t value)
{
	text_lit(out, ",\"");
	text_str(out, name);
	text_lit(out, "\":");
	text_u64(out, value);
}

static void
print_sums(const struct model_sums *sums, struct text *out)
{
	text_lit(out, "{\"attempts\":");
	text_u64(out, sums->attempts);
	for (int state = 0; state < STATES; state++)
		print_number(out, state_names[state], sums->states[state]);
	print_number(out, "bytes_in", sums->bytes_in);
	print_number(out, "bytes_out", sums->bytes_out);
	print_number(out, "input_tokens", sums->input);
	print_number(out, "cached_tokens", sums->cached);
	print_number(out, "cache_write_tokens", sums->written);
	print_number(out, "output_tokens", sums->output);
	print_number(out, "reasoning_tokens", sums->reasoning);
	text_lit(out, "}");
}

static void
add_sums(struct model_sums *total, const struct model_sums *sums)
{
	total->attempts += sums->attempts;
	for (int state = 0; state < STATES; state++)
		total->states[state] += sums->states[state];
	total->bytes_in += sums->bytes_in;
	total->bytes_out += sums->bytes_out;
	total->input += sums->input;
	total->cached += sums->cached;
	total->written += sums->written;
	total->output += sums->output;
	total->reasoning += sums->reasoning;
}

static void
print_models(const struct ledger *ledger, struct model_sums *total, struct text *out)
{
	const char *comma = "";

	text_lit(out, "{\"models\":{");
	for (uint16_t i = 0; i < ledger->models.count; i++) {
		if (ledger->sums[i].attempts == 0)
			continue;
		text_str(out, comma);
		text_lit(out, "\n\"");
		text_span(out, ledger->models.items[i]);
		text_lit(out, "\":");
		print_sums(&ledger->sums[i], out);
		add_sums(total, &ledger->sums[i]);
		comma = ",";
	}
	text_lit(out, "}");
}

static void
print_statuses(const struct ledger *ledger, struct text *out)
{
	const char *comma = "";

	text_lit(out, ",\n\"statuses\":{");
	for (unsigned i = 0; i < 1000; i++) {
		if (ledger->statuses[i] == 0)
			continue;
		text_format(
		    out, "%s\"%u\":%llu", comma, i, (unsigned long long)ledger->statuses[i]);
		comma = ",";
	}
	text_lit(out, "}");
}

static void
print_faults(const struct ledger *ledger, struct text *out)
{
	const char *comma = "";

	text_lit(out, ",\n\"faults\":{");
	for (unsigned i = 1; i < FAULT_IDS; i++) {
		if (ledger->faults[i] == 0)
			continue;
		text_format(out, "%s\"%s\":%llu", comma, fault_name(i),
		    (unsigned long long)ledger->faults[i]);
		comma = ",";
	}
	text_lit(out, "}");
}

static void
print_keys(const struct ledger *ledger, struct text *out)
{
	const char *comma = "";

	text_lit(out, ",\n\"keys\":{");
	for (uint16_t i = 0; i < ledger->keys.count; i++) {
		if (ledger->key_uses[i] == 0)
			continue;
		text_str(out, comma);
		text_lit(out, "\"");
		text_span(out, ledger->keys.items[i]);
		text_lit(out, "\":");
		text_u64(out, ledger->key_uses[i]);
		comma = ",";
	}
	text_lit(out, "}");
}

void
ledger_print_summary(const struct ledger *ledger, struct text *out)
{
	struct model_sums total = { 0 };

	print_models(ledger, &total, out);
	text_lit(out, ",\n\"total\":");
	print_sums(&total, out);
	print_statuses(ledger, out);
	print_faults(ledger, out);
	print_keys(ledger, out);
	print_number(out, "last", ledger->last);
	print_number(out, "catalogue_requests", ledger->catalogue);
	print_number(out, "refused_connections", ledger->refused_connections);
	text_lit(out, "}\n");
}
