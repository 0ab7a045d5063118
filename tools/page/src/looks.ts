// What images look like, and which are copies: onnxmint/images/facts.py, perceptual.py and duplicates.py.

import { numbered, searchRight } from "./arrays.ts";
import { blake2b64 } from "./hashes.ts";
import { gray, Pixels, resized } from "./pixels.ts";

const THUMB = 8;
const NUMBERS = 3 * THUMB * THUMB;
const SIDE = 32, FREQUENCIES = 8;
const NEAR_BITS = 4, NEAR_LEVELS = 6, REACH = 512;

export interface Looks {
  digest: BigUint64Array;
  phash: BigUint64Array;
  thumb: Uint8Array; // 192 levels of each
}

const COSINES = Array.from({ length: FREQUENCIES }, (_, k) => Array.from({ length: SIDE }, (__, x) => (
  BigInt(Math.round(Math.cos(k * (2 * x + 1) * Math.PI / (2 * SIDE)) * (1 << 20)))
)));

/** 64 bits of size and pixels. */
export function digestOf(rgb: Pixels): bigint {
  return blake2b64([new TextEncoder().encode(`${rgb.width}x${rgb.height}:`), rgb.level]);
}

/** 64 bits that recompressing and resizing hardly turn. */
export function perceptualHash(rgb: Pixels): bigint {
  const { level } = resized(gray(rgb), SIDE, SIDE, "lanczos");
  const rows = COSINES.map((wave) => Array.from({ length: SIDE }, (_, x) => (
    wave.reduce((sum, weight, y) => sum + weight * BigInt(level[y * SIDE + x]), 0n)
  )));
  const low = rows.flatMap((row) => COSINES.map((wave) => wave.reduce((sum, weight, x) => sum + weight * row[x], 0n)));
  const ordered = low.slice().sort((one, other) => (one < other ? -1 : Number(one > other)));
  const middle = ordered[31] + ordered[32];
  return low.reduce((hash, value) => (hash << 1n) | BigInt(2n * value > middle), 0n);
}

export function thumbnail(rgb: Pixels): Uint8Array {
  return resized(rgb, THUMB, THUMB, "box").level;
}

/** Sets that are joined pair by pair. */
class Joined {
  private readonly above: Int32Array;

  constructor(count: number) {
    this.above = Int32Array.from({ length: count }, (_, place) => place);
  }

  find(place: number): number {
    let top = place;
    while (this.above[top] !== top) top = this.above[top] = this.above[this.above[top]];
    return top;
  }

  join(one: number, other: number): void {
    const [a, b] = [this.find(one), this.find(other)];
    this.above[Math.max(a, b)] = Math.min(a, b); // the lowest of a set stands for it
  }
}

/** Numbers of clusters: exact and near copies share one, transitively, counted by rising digest. */
export function copies({ digest, phash, thumb }: Looks): Int32Array {
  const order = [...digest.keys()].sort((a, b) => (digest[a] < digest[b] ? -1 : Number(digest[a] > digest[b])) || a - b);
  const first: number[] = [], number = new Int32Array(digest.length);
  for (const row of order) {
    if (!first.length || digest[first[first.length - 1]] !== digest[row]) first.push(row);
    number[row] = first.length - 1;
  }
  const joined = near(BigUint64Array.from(first, (row) => phash[row]), thumb, first);
  const { place } = numbered(first.map((_, at) => joined.find(at)));
  return number.map((at) => place[at]);
}

function near(phash: BigUint64Array, thumb: Uint8Array, rows: number[]): Joined {
  const joined = new Joined(phash.length);
  const colour = rows.map((row) => {
    const sums = [0, 0, 0];
    for (let i = 0; i < NUMBERS; i++) sums[i % 3] += thumb[row * NUMBERS + i];
    return sums;
  });
  const exact = new Map([...new Set(phash)].sort((a, b) => (a < b ? -1 : 1)).map((hash, place) => [hash, place]));
  const passes: [number[], number, number][] = [[Array.from(phash, (hash) => exact.get(hash)!), 0, 0]];
  for (let band = 0; band <= NEAR_BITS; band++) {
    const low = Math.floor(64 * band / (NEAR_BITS + 1)), high = Math.floor(64 * (band + 1) / (NEAR_BITS + 1));
    const mask = (1n << BigInt(high - low)) - 1n;
    passes.push([Array.from(phash, (hash) => Number((hash >> BigInt(low)) & mask)), 1, NEAR_BITS]);
  }
  for (const [key, least, most] of passes) {
    const place = key.map((one, at) => one * 65536 + colour[at][0] + colour[at][1] + colour[at][2]);
    const order = [...place.keys()].sort((a, b) => place[a] - place[b] || a - b), ordered = order.map((at) => place[at]);
    order.forEach((left, at) => {
      const end = Math.min(searchRight(ordered, place[left] + NEAR_LEVELS * NUMBERS), at + REACH + 1);
      for (let next = at + 1; next < end; next++) {
        const right = order[next], bits = differing(phash[left], phash[right]);
        if (bits < least || bits > most || joined.find(left) === joined.find(right)) continue;
        const apart = colour[left].reduce((sum, value, c) => sum + Math.abs(value - colour[right][c]), 0);
        if (apart > NEAR_LEVELS * NUMBERS) continue;
        if (alike(thumb, rows[left] * NUMBERS, rows[right] * NUMBERS)) joined.join(left, right);
      }
    });
  }
  return joined;
}

function differing(one: bigint, other: bigint): number {
  let bits = one ^ other, count = 0;
  while (bits) {
    bits &= bits - 1n;
    count++;
  }
  return count;
}

function alike(thumb: Uint8Array, one: number, other: number): boolean {
  let apart = 0;
  for (let i = 0; i < NUMBERS; i++) apart += Math.abs(thumb[one + i] - thumb[other + i]);
  return apart <= NEAR_LEVELS * NUMBERS;
}

/** The row of a known image that each questioned one is a copy of, -1 where of none; of several the first. */
export function knownAlready(asked: Looks, known: Looks): Int32Array {
  const count = asked.digest.length, found = new Int32Array(count).fill(-1);
  if (!count || !known.digest.length) return found;
  const cluster = copies(together(asked, known)), first = new Map<number, number>();
  for (let row = known.digest.length - 1; row >= 0; row--) first.set(cluster[count + row], row);
  return found.map((none, row) => first.get(cluster[row]) ?? none);
}

function together(one: Looks, other: Looks): Looks {
  return {
    digest: BigUint64Array.from([...one.digest, ...other.digest]),
    phash: BigUint64Array.from([...one.phash, ...other.phash]),
    thumb: Uint8Array.from([...one.thumb, ...other.thumb]),
  };
}
