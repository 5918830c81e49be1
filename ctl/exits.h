// SPDX-License-Identifier: MIT
/* How grayctl ends; scripts rely on these numbers. */
#pragma once

enum exits {
	EXITS_DONE = 0,
	EXITS_REFUSED = 1, /* or any other error */
	EXITS_USAGE = 2,
	EXITS_ROLLED_BACK = 3, /* of a wait */
	EXITS_ON_HOLD = 4,     /* of a wait */
	EXITS_TIMED_OUT = 5,
	EXITS_CONFLICT = 6,
	EXITS_UNREACHABLE = 7,
};
