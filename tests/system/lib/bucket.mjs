// SPDX-License-Identifier: MIT
// The bucket of a sticky key, computed from its definition alone: an implementation that shares
// nothing with grayd's. BLAKE2b-256 after RFC 7693, SipHash-2-4 after its paper, both in BigInt:
// slow, and easy to compare with their sources.

const MASK = (1n << 64n) - 1n;
const rotr = (x, n) => ((x >> n) | (x << (64n - n))) & MASK;
const rotl = (x, n) => ((x << n) | (x >> (64n - n))) & MASK;

const IV = [
	0x6a09e667f3bcc908n, 0xbb67ae8584caa73bn, 0x3c6ef372fe94f82bn, 0xa54ff53a5f1d36f1n,
	0x510e527fade682d1n, 0x9b05688c2b3e6c1fn, 0x1f83d9abfb41bd6bn, 0x5be0cd19137e2179n,
];

const SIGMA = [
	[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
	[14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3],
	[11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4],
	[7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8],
	[9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13],
	[2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9],
	[12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11],
	[13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10],
	[6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5],
	[10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0],
];

function mix(v, a, b, c, d, x, y) {
	v[a] = (v[a] + v[b] + x) & MASK;
	v[d] = rotr(v[d] ^ v[a], 32n);
	v[c] = (v[c] + v[d]) & MASK;
	v[b] = rotr(v[b] ^ v[c], 24n);
	v[a] = (v[a] + v[b] + y) & MASK;
	v[d] = rotr(v[d] ^ v[a], 16n);
	v[c] = (v[c] + v[d]) & MASK;
	v[b] = rotr(v[b] ^ v[c], 63n);
}

function compress(h, block, counted, last) {
	const m = Array.from({ length: 16 }, (_, i) => block.readBigUInt64LE(i * 8));
	const v = [...h, ...IV];

	v[12] ^= BigInt(counted);
	if (last) v[14] ^= MASK;
	for (let round = 0; round < 12; round++) {
		const s = SIGMA[round % 10];
		mix(v, 0, 4, 8, 12, m[s[0]], m[s[1]]);
		mix(v, 1, 5, 9, 13, m[s[2]], m[s[3]]);
		mix(v, 2, 6, 10, 14, m[s[4]], m[s[5]]);
		mix(v, 3, 7, 11, 15, m[s[6]], m[s[7]]);
		mix(v, 0, 5, 10, 15, m[s[8]], m[s[9]]);
		mix(v, 1, 6, 11, 12, m[s[10]], m[s[11]]);
		mix(v, 2, 7, 8, 13, m[s[12]], m[s[13]]);
		mix(v, 3, 4, 9, 14, m[s[14]], m[s[15]]);
	}
	for (let i = 0; i < 8; i++) h[i] ^= v[i] ^ v[i + 8];
}

// BLAKE2b with 32 bytes of output and no key, of a Buffer or text; a Buffer.
export function blake2b256(data) {
	const bytes = Buffer.from(data);
	const h = [...IV];
	let at = 0;

	h[0] ^= 0x01010000n ^ 32n;
	while (bytes.length - at > 128) {
		compress(h, bytes.subarray(at, at + 128), at + 128, false);
		at += 128;
	}
	const last = Buffer.alloc(128);
	bytes.copy(last, 0, at);
	compress(h, last, bytes.length, true);
	const out = Buffer.alloc(32);
	for (let i = 0; i < 4; i++) out.writeBigUInt64LE(h[i], i * 8);
	return out;
}

function round(v) {
	v[0] = (v[0] + v[1]) & MASK;
	v[1] = rotl(v[1], 13n) ^ v[0];
	v[0] = rotl(v[0], 32n);
	v[2] = (v[2] + v[3]) & MASK;
	v[3] = rotl(v[3], 16n) ^ v[2];
	v[0] = (v[0] + v[3]) & MASK;
	v[3] = rotl(v[3], 21n) ^ v[0];
	v[2] = (v[2] + v[1]) & MASK;
	v[1] = rotl(v[1], 17n) ^ v[2];
	v[2] = rotl(v[2], 32n);
}

// SipHash-2-4 with a key of 16 bytes; a BigInt.
export function sipHash24(key, data) {
	const k0 = key.readBigUInt64LE(0), k1 = key.readBigUInt64LE(8);
	const bytes = Buffer.from(data);
	const v = [
		k0 ^ 0x736f6d6570736575n, k1 ^ 0x646f72616e646f6dn,
		k0 ^ 0x6c7967656e657261n, k1 ^ 0x7465646279746573n,
	];
	const padded = Buffer.alloc((bytes.length >> 3 << 3) + 8);

	bytes.copy(padded);
	padded[padded.length - 1] = bytes.length & 0xff;
	for (let at = 0; at < padded.length; at += 8) {
		const m = padded.readBigUInt64LE(at);
		v[3] ^= m;
		round(v);
		round(v);
		v[0] ^= m;
	}
	v[2] ^= 0xffn;
	for (let i = 0; i < 4; i++) round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

// A function from sticky values to buckets 0..9999 for one pair of models. `candidate` is its name
// in the config's "models".
export function buckets({ release, candidate, salt = "" }) {
	const key = blake2b256(["grayd-route-1", release, candidate, salt].join("\0")).subarray(0, 16);

	return (value) => Number(sipHash24(key, value) % 10000n);
}
