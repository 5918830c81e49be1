// SPDX-License-Identifier: MIT
/* What makes bash complete grayctl, made from the table of verbs. */
#pragma once

/* A script for `source`, to be freed by the caller. NULL: out of memory. */
char *completion_bash(void);
