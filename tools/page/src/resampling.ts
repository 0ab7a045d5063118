// Resizing as PyTorch does it on uint8 tensors, and without antialiasing: onnxmint/preprocess/resampling.py, bit for bit.

import { roundHalfEven } from "./arrays.ts";
import { Pixels } from "./pixels.ts";

export type TorchFilter = "nearest" | "bilinear" | "bicubic" | "lanczos";

const PRECISION = 22; // bits of a weight at most, and 15 of its value
const { fround } = Math;

function sinc(x: number): number {
  return x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
}

const KERNELS: Record<Exclude<TorchFilter, "nearest">, [number, (x: number) => number]> = {
  bilinear: [2, (x) => Math.max(0, 1 - Math.abs(x))],
  bicubic: [4, (x) => {
    const size = Math.abs(x), a = -0.5;
    if (size < 1) return ((a + 2) * size - (a + 3)) * size * size + 1;
    return size < 2 ? (((size - 5) * size + 8) * size - 4) * a : 0;
  }],
  lanczos: [6, (x) => (Math.abs(x) < 3 ? sinc(x) * sinc(x / 3) : 0)],
};

/** A sum that is rounded once, as Python's math.fsum. */
function exactSum(values: number[]): number {
  let parts: number[] = []; // that do not overlap, by rising size
  for (let value of values) {
    const kept: number[] = [];
    for (let part of parts) {
      if (Math.abs(value) < Math.abs(part)) [value, part] = [part, value];
      const high = value + part, low = part - (high - value);
      if (low !== 0) kept.push(low);
      value = high;
    }
    parts = [...kept, value];
  }
  return parts.reduce((total, part) => total + part, 0);
}

interface Weights {
  start: Int32Array; // first old place of each new one
  weight: number[][]; // whole numbers
  bits: number; // by which they were shifted
}

function weightsOf(old: number, made: number, filter: Exclude<TorchFilter, "nearest">): Weights {
  const [width, kernel] = KERNELS[filter], scale = old / made, stretch = Math.max(scale, 1);
  const support = width * 0.5 * stretch, start = new Int32Array(made), weight: number[][] = [];
  let largest = 0, bits = 0;
  for (let place = 0; place < made; place++) {
    const centre = scale * (place + 0.5);
    const first = Math.max(Math.trunc(centre - support + 0.5), 0), end = Math.min(Math.trunc(centre + support + 0.5), old);
    const each = Array.from({ length: end - first }, (_, at) => kernel((at + first - centre + 0.5) * (1 / stretch)));
    const total = exactSum(each);
    start[place] = first;
    weight.push(each.map((one) => one / total));
    for (const one of weight[place]) largest = Math.max(largest, one);
  }
  while (bits < PRECISION && Math.trunc(0.5 + largest * 2 ** (bits + 1)) < 1 << 15) bits++;
  const whole = (one: number) => Math.trunc(one * 2 ** bits + (one < 0 ? -0.5 : 0.5));
  return { start, weight: weight.map((each) => each.map(whole)), bits };
}

/** Weigh what lies along a line: `step` levels from one place to the next, of so many lines. */
function weighed(
  from: Uint8Array, to: Uint8Array, { start, weight, bits }: Weights,
  lines: { count: number; from: (line: number) => number; to: (line: number) => number; step: number },
): void {
  for (let line = 0; line < lines.count; line++) {
    const base = lines.from(line), onto = lines.to(line);
    weight.forEach((each, place) => {
      let sum = 2 ** (bits - 1), at = base + start[place] * lines.step;
      for (let k = 0; k < each.length; k++, at += lines.step) sum += from[at] * each[k];
      to[onto + place * lines.step] = Math.min(255, Math.max(0, Math.floor(sum * 0.5 ** bits)));
    });
  }
}

/** Resize as torchvision resizes uint8 tensors with antialias on a CPU: across, then down. */
export function resizedLikeTorch(image: Pixels, width: number, height: number, filter: TorchFilter): Pixels {
  if (filter === "nearest") return nearest(image, width, height);
  const { channels } = image, across = new Uint8Array(image.height * width * channels);
  weighed(image.level, across, weightsOf(image.width, width, filter), {
    count: image.height * channels, step: channels,
    from: (line) => Math.floor(line / channels) * image.width * channels + line % channels,
    to: (line) => Math.floor(line / channels) * width * channels + line % channels,
  });
  const level = new Uint8Array(height * width * channels), stride = width * channels;
  weighed(across, level, weightsOf(image.height, height, filter), {
    count: stride, step: stride, from: (line) => line, to: (line) => line,
  });
  return { width, height, channels, level };
}

function nearest(image: Pixels, width: number, height: number): Pixels {
  const places = (old: number, made: number) => Int32Array.from({ length: made }, (_, place) => (
    Math.min(Math.floor(fround(fround(place + 0.5) * fround(old / made))), old - 1)
  ));
  const columns = places(image.width, width), rows = places(image.height, height), { channels } = image;
  const level = new Uint8Array(width * height * channels);
  for (let y = 0, to = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const from = (rows[y] * image.width + columns[x]) * channels;
      for (let c = 0; c < channels; c++) level[to++] = image.level[from + c];
    }
  }
  return { width, height, channels, level };
}

interface Between {
  low: Int32Array;
  high: Int32Array;
  share: Float32Array; // of the second
}

function between(old: number, made: number): Between {
  const found = { low: new Int32Array(made), high: new Int32Array(made), share: new Float32Array(made) };
  for (let at = 0; at < made; at++) {
    const place = Math.min(Math.max((at + 0.5) * (old / made) - 0.5, 0), old - 1);
    found.low[at] = Math.min(Math.floor(place), Math.max(old - 2, 0));
    found.high[at] = Math.min(found.low[at] + 1, old - 1);
    found.share[at] = place - found.low[at];
  }
  return found;
}

/** Interpolate between the four nearest levels in single precision, as TensorFlow does by default. */
export function resizedWithoutAntialias(image: Pixels, width: number, height: number): Pixels {
  const { channels } = image, stride = width * channels, across = new Float32Array(image.height * stride);
  const columns = between(image.width, width), rows = between(image.height, height);
  const mixed = (one: number, other: number, share: number) => fround(
    fround(one * fround(1 - share)) + fround(other * share),
  );
  for (let y = 0; y < image.height; y++) {
    for (let at = 0; at < stride; at++) {
      const x = Math.floor(at / channels), row = y * image.width * channels + at % channels;
      const [one, other] = [image.level[row + columns.low[x] * channels], image.level[row + columns.high[x] * channels]];
      across[y * stride + at] = mixed(one, other, columns.share[x]);
    }
  }
  const level = new Uint8Array(height * stride);
  for (let y = 0; y < height; y++) {
    for (let at = 0; at < stride; at++) {
      const [one, other] = [across[rows.low[y] * stride + at], across[rows.high[y] * stride + at]];
      level[y * stride + at] = Math.min(255, Math.max(0, roundHalfEven(mixed(one, other, rows.share[y]))));
    }
  }
  return { width, height, channels, level };
}
