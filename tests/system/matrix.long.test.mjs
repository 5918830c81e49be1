// SPDX-License-Identifier: MIT
// The whole matrix of systems: every one as stable with every one as candidate.

import { anthropic, openai, runMatrix } from "./lib/matrix.mjs";

const OPENAI = ["holysheep", "openai", "deepseek", "gemini-compatible", "claude", "gemini"];
const square = (names) => names.flatMap((stable) => names.map((candidate) => ({ stable, candidate })));

runMatrix(openai, square(OPENAI));
runMatrix(anthropic, square(OPENAI));
