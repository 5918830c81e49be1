// SPDX-License-Identifier: MIT
/*
 * How a client's request is read into its neutral form: by tables, one for each object of an API.
 * A row names a member, says what its value must be and where it goes in the struct that the table
 * fills. A null is as good as nothing; a member that no row names is refused, since whether it
 * matters cannot be known. Used by the readers (xlate_read_*.c) only. Pure.
 */
#pragma once

#include <stddef.h>

#include "worker/reader.h"
#include "worker/xlate_ask.h"

enum ask_value {
	ASK_VALUE_DROPPED, /* it changes nothing in the answer */
	ASK_VALUE_STRING,
	ASK_VALUE_NUMBER,
	ASK_VALUE_BOOL,
	ASK_VALUE_OBJECT,  /* as it is written */
	ASK_VALUE_ANY,	   /* as it is written */
	ASK_VALUE_WORD,	   /* one of some, each with its meaning */
	ASK_VALUE_ONLY,	   /* one string that is the only one which can be translated */
	ASK_VALUE_MEMBERS, /* an object by a table of its own, into the same struct */
	ASK_VALUE_LIST,	   /* of what `read` takes */
	ASK_VALUE_OWN,	   /* what `read` takes */
};

/* The words of an enum. */
struct ask_words {
	const char *otherwise; /* refuses any other */
	struct {
		const char *word;
		unsigned value;
	} of[8]; /* up to the first NULL */
};

struct ask_field {
	const char *name;
	size_t name_len;
	enum ask_value value;
	size_t at; /* bytes into what the table fills */
	union {
		const struct ask_words *words;
		const char *only;
		const struct ask_field *members;
		reader_fn *read;
	};
};

/* The place of a member of struct `s` that has this type; another type does not compile. */
#define ASK_AT(s, member, type) \
	_Generic(((struct s *)NULL)->member, type : offsetof(struct s, member))
#define ASK_ROW(name_, value_, ...)                                                        \
	{                                                                                  \
		.name = name_, .name_len = sizeof(name_) - 1, .value = ASK_VALUE_##value_, \
		__VA_ARGS__                                                                \
	}
#define ASK_DROP(name)	       ASK_ROW(name, DROPPED, .at = 0)
#define ASK_STRING(name, s, m) ASK_ROW(name, STRING, .at = ASK_AT(s, m, struct jspan))
#define ASK_NUMBER(name, s, m) ASK_ROW(name, NUMBER, .at = ASK_AT(s, m, struct jspan))
#define ASK_BOOL(name, s, m)   ASK_ROW(name, BOOL, .at = ASK_AT(s, m, bool))
#define ASK_OBJECT(name, s, m) ASK_ROW(name, OBJECT, .at = ASK_AT(s, m, struct jspan))
#define ASK_ANY(name, s, m)    ASK_ROW(name, ANY, .at = ASK_AT(s, m, struct jspan))
#define ASK_WORD(name, s, m, words_) \
	ASK_ROW(name, WORD, .at = ASK_AT(s, m, unsigned), .words = words_)
#define ASK_ONLY(name, word)	 ASK_ROW(name, ONLY, .only = word)
#define ASK_MEMBERS(name, table) ASK_ROW(name, MEMBERS, .members = table)
#define ASK_LIST(name, element)	 ASK_ROW(name, LIST, .read = element)
#define ASK_OWN(name, function)	 ASK_ROW(name, OWN, .read = function)
#define ASK_END              \
	{                    \
		.name = NULL \
	}

static inline struct ask *
ask_of(const struct reader *r)
{
	return r->into;
}

/* All that follows returns false when the request is refused or memory is short. */

/* Reads a whole request by the table of its members, which fills the ask itself. */
bool ask_read(struct ask *a, const uint8_t *body, size_t n, const struct ask_field *fields);
/* Reads an object by a table into the struct that it fills. */
bool ask_members(struct reader *r, enum jtok first, const struct ask_field *fields, void *into);
/* Reads an array; `element` gets each. */
bool ask_each(struct reader *r, enum jtok first, reader_fn *element);
/* The number of the element of an array that is being read. */
uint32_t ask_item(const struct ask *a);
/* Reads a value that a row has noted, with its member `name` in the path again; none is fine. */
bool ask_noted(struct reader *r, struct jspan value, const char *name, reader_fn *read);

/* One value of a kind. */
bool ask_string(struct reader *r, enum jtok first, struct jspan *into);
bool ask_bool(struct reader *r, enum jtok first, bool *into);
bool ask_word(struct reader *r, enum jtok first, const struct ask_words *words, unsigned *into);
/* A content: a string, or a list of which `part` takes each element. */
bool ask_content(struct reader *r, enum jtok first, reader_fn *part);
/* A string that ends an answer. */
bool ask_stop(struct reader *r, enum jtok first);
/* Adds the result of a call and then, by `read`, the texts in its noted content. */
bool ask_result(
    struct reader *r, const struct ask_part *result, struct jspan content, reader_fn *read);

/* One message of a request, for the table of the whole. */
bool xlate_read_chat_message(struct reader *r, enum jtok first);
bool xlate_read_messages_message(struct reader *r, enum jtok first);
