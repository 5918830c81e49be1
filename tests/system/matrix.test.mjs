// SPDX-License-Identifier: MIT
// A part of the matrix of systems: each is stable once and candidate once. The whole of it is in
// matrix.long.test.mjs.

import { anthropic, openai, runMatrix } from "./lib/matrix.mjs";

const OPENAI = ["holysheep", "openai", "deepseek", "gemini-compatible", "claude", "gemini"];
const ring = (names) => names.map((stable, i) => ({ stable, candidate: names[(i + 1) % names.length] }));

runMatrix(openai, ring(OPENAI));
runMatrix(anthropic, ring(["claude", ...OPENAI.filter((name) => name !== "claude")]));
