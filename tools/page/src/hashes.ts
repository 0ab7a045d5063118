// BLAKE2b with 8 bytes and SHA-256, by small loops: what tells which images are the same.

const START = [
  0x6a09e667, 0xf3bcc908, 0xbb67ae85, 0x84caa73b, 0x3c6ef372, 0xfe94f82b, 0xa54ff53a, 0x5f1d36f1,
  0x510e527f, 0xade682d1, 0x9b05688c, 0x2b3e6c1f, 0x1f83d9ab, 0xfb41bd6b, 0x5be0cd19, 0x137e2179,
];
const SIGMA = [
  [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15], [14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3],
  [11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4], [7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8],
  [9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13], [2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9],
  [12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11], [13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10],
  [6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5], [10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0],
];
const MIXES = [[0, 4, 8, 12], [1, 5, 9, 13], [2, 6, 10, 14], [3, 7, 11, 15], [0, 5, 10, 15], [1, 6, 11, 12], [2, 7, 8, 13],
  [3, 4, 9, 14]];

/** The first 64 bits of BLAKE2b with a digest of 8 bytes, as a number with the first byte highest (RFC 7693). */
export function blake2b64(parts: Uint8Array[]): bigint {
  const h = Int32Array.from({ length: 16 }, (_, i) => START[i ^ 1]); // low word first
  h[0] ^= 0x01010008;
  const block = new Uint8Array(128), view = new DataView(block.buffer);
  let filled = 0, total = 0;
  for (const part of parts) {
    for (let at = 0; at < part.length;) {
      if (filled === 128) {
        total += 128;
        mix(h, view, total, false);
        filled = 0;
      }
      const step = Math.min(128 - filled, part.length - at);
      block.set(part.subarray(at, at + step), filled);
      filled += step;
      at += step;
    }
  }
  block.fill(0, filled);
  mix(h, view, total + filled, true);
  const out = new DataView(new ArrayBuffer(8));
  out.setInt32(0, h[0], true);
  out.setInt32(4, h[1], true);
  return out.getBigUint64(0, false);
}

const V = new Int32Array(32), M = new Int32Array(32);

function mix(h: Int32Array, block: DataView, count: number, last: boolean): void {
  V.set(h);
  for (let i = 0; i < 16; i++) V[16 + i] = START[i ^ 1];
  V[24] ^= count | 0;
  V[25] ^= Math.floor(count / 4294967296);
  if (last) {
    V[28] = ~V[28];
    V[29] = ~V[29];
  }
  for (let i = 0; i < 32; i++) M[i] = block.getInt32(4 * i, true);
  for (let round = 0; round < 12; round++) {
    const order = SIGMA[round % 10];
    for (let i = 0; i < 8; i++) {
      const [a, b, c, d] = MIXES[i];
      quarter(2 * a, 2 * b, 2 * c, 2 * d, 2 * order[2 * i], 2 * order[2 * i + 1]);
    }
  }
  for (let i = 0; i < 16; i++) h[i] ^= V[i] ^ V[i + 16];
}

function add(to: number, low: number, high: number): void {
  const sum = (V[to] >>> 0) + (low >>> 0);
  V[to] = sum | 0;
  V[to + 1] = V[to + 1] + high + (sum > 4294967295 ? 1 : 0);
}

function quarter(a: number, b: number, c: number, d: number, x: number, y: number): void {
  add(a, V[b], V[b + 1]);
  add(a, M[x], M[x + 1]);
  let low = V[d] ^ V[a], high = V[d + 1] ^ V[a + 1];
  V[d] = high;
  V[d + 1] = low;
  add(c, V[d], V[d + 1]);
  low = V[b] ^ V[c];
  high = V[b + 1] ^ V[c + 1];
  V[b] = (low >>> 24) | (high << 8);
  V[b + 1] = (high >>> 24) | (low << 8);
  add(a, V[b], V[b + 1]);
  add(a, M[y], M[y + 1]);
  low = V[d] ^ V[a];
  high = V[d + 1] ^ V[a + 1];
  V[d] = (low >>> 16) | (high << 16);
  V[d + 1] = (high >>> 16) | (low << 16);
  add(c, V[d], V[d + 1]);
  low = V[b] ^ V[c];
  high = V[b + 1] ^ V[c + 1];
  V[b] = (high >>> 31) | (low << 1);
  V[b + 1] = (low >>> 31) | (high << 1);
}

const PRIMES = firstPrimes(64);
const K = Int32Array.from(PRIMES, (prime) => fraction(Math.cbrt(prime), prime, 3));
const H = Int32Array.from(PRIMES.slice(0, 8), (prime) => fraction(Math.sqrt(prime), prime, 2));

function firstPrimes(count: number): number[] {
  const found: number[] = [];
  for (let n = 2; found.length < count; n++) if (found.every((prime) => n % prime)) found.push(n);
  return found;
}

/** The first 32 bits of the fraction of a root, exactly. */
function fraction(root: number, prime: number, power: 2 | 3): number {
  const scale = BigInt(power === 2 ? 2n ** 64n : 2n ** 96n) * BigInt(prime);
  let whole = BigInt(Math.floor(root * 4294967296));
  while ((whole + 1n) ** BigInt(power) <= scale) whole++;
  while (whole ** BigInt(power) > scale) whole--;
  return Number(BigInt.asIntN(32, whole));
}

/** SHA-256 (FIPS 180-4), in hexadecimal. */
export function sha256(data: Uint8Array): string {
  const size = (data.length + 72) & ~63, padded = new Uint8Array(Math.max(size, 64)), view = new DataView(padded.buffer);
  padded.set(data);
  padded[data.length] = 0x80;
  view.setUint32(padded.length - 8, Math.floor(data.length / 536870912));
  view.setUint32(padded.length - 4, (data.length << 3) >>> 0);
  const h = H.slice(), w = new Int32Array(64);
  const turn = (x: number, n: number) => (x >>> n) | (x << (32 - n));
  for (let at = 0; at < padded.length; at += 64) {
    for (let i = 0; i < 16; i++) w[i] = view.getInt32(at + 4 * i);
    for (let i = 16; i < 64; i++) {
      const early = turn(w[i - 15], 7) ^ turn(w[i - 15], 18) ^ (w[i - 15] >>> 3);
      const late = turn(w[i - 2], 17) ^ turn(w[i - 2], 19) ^ (w[i - 2] >>> 10);
      w[i] = w[i - 16] + early + w[i - 7] + late;
    }
    let [a, b, c, d, e, f, g, last] = h;
    for (let i = 0; i < 64; i++) {
      const one = last + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + ((e & f) ^ (~e & g)) + K[i] + w[i];
      const two = (turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
      [last, g, f, e, d, c, b, a] = [g, f, e, (d + one) | 0, c, b, a, (one + two) | 0];
    }
    [a, b, c, d, e, f, g, last].forEach((value, i) => { h[i] += value; });
  }
  return Array.from(h, (word) => (word >>> 0).toString(16).padStart(8, "0")).join("");
}
