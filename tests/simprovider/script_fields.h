// SPDX-License-Identifier: MIT
/* The keys of a script. */
#pragma once

#include "tests/simprovider/fields.h"
#include "tests/simprovider/script.h"

/* Reads a whole script. 0, or -1 with the path of the key and what was expected. */
int script_fields_read(struct reading *, const cJSON *json, struct script *script) MUST_CHECK;
/* Reads a list of faults into the arena. */
int script_faults_read(
    struct reading *, const cJSON *json, struct fault **faults, size_t *count) MUST_CHECK;
