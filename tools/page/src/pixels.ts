// Images as rows of levels, and Pillow's arithmetic of resizing, bit for bit: onnxmint/images/resizing.py.

export interface Pixels {
  width: number;
  height: number;
  channels: number; // 3, or 1 for gray
  level: Uint8Array; // rows from the top, channels last
}

export type Filter = "nearest" | "box" | "bilinear" | "hamming" | "bicubic" | "lanczos";

const BITS = 22; // of a weight's fraction, as Pillow keeps them

function sinc(x: number): number {
  return x === 0 ? 1 : Math.sin(x * Math.PI) / (x * Math.PI);
}

const KERNELS: Record<Exclude<Filter, "nearest">, [number, (x: number) => number]> = {
  box: [0.5, (x) => (x > -0.5 && x <= 0.5 ? 1 : 0)],
  bilinear: [1, (x) => Math.max(0, 1 - Math.abs(x))],
  hamming: [1, (x) => {
    const size = Math.abs(x);
    if (size === 0) return 1;
    return size >= 1 ? 0 : Math.sin(size * Math.PI) / (size * Math.PI) * (0.54 + 0.46 * Math.cos(size * Math.PI));
  }],
  bicubic: [2, (x) => {
    const size = Math.abs(x), a = -0.5;
    if (size < 1) return ((a + 2) * size - (a + 3)) * size * size + 1;
    return size < 2 ? (((size - 5) * size + 8) * size - 4) * a : 0;
  }],
  lanczos: [3, (x) => (x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0)],
};

interface Weights {
  start: Int32Array; // first old place of each new one
  weight: Float64Array[]; // whole numbers
}

function weightsOf(old: number, made: number, filter: Exclude<Filter, "nearest">): Weights {
  const [support, kernel] = KERNELS[filter], scale = old / made, stretch = Math.max(scale, 1);
  const reach = support * stretch, start = new Int32Array(made), weight: Float64Array[] = [];
  for (let place = 0; place < made; place++) {
    const centre = (place + 0.5) * scale;
    const first = Math.max(Math.trunc(centre - reach + 0.5), 0);
    const last = Math.min(Math.trunc(centre + reach + 0.5), old);
    const each = new Float64Array(last - first);
    let total = 0;
    for (let x = 0; x < each.length; x++) {
      each[x] = kernel((x + first - centre + 0.5) * (1 / stretch));
      total += each[x];
    }
    for (let x = 0; x < each.length; x++) {
      const part = (total !== 0 ? each[x] / total : each[x]) * (1 << BITS);
      each[x] = Math.trunc(part < 0 ? part - 0.5 : part + 0.5);
    }
    start[place] = first;
    weight.push(each);
  }
  return { start, weight };
}

function level(sum: number): number {
  const found = Math.floor((sum + (1 << (BITS - 1))) / (1 << BITS));
  return found < 0 ? 0 : found > 255 ? 255 : found;
}

function across(image: Pixels, width: number, filter: Exclude<Filter, "nearest">): Pixels {
  if (width === image.width) return image;
  const { start, weight } = weightsOf(image.width, width, filter), { channels, height } = image;
  const made = new Uint8Array(width * height * channels);
  for (let y = 0; y < height; y++) {
    const row = y * image.width * channels;
    for (let x = 0; x < width; x++) {
      const each = weight[x];
      for (let c = 0; c < channels; c++) {
        let sum = 0, at = row + start[x] * channels + c;
        for (let k = 0; k < each.length; k++, at += channels) sum += image.level[at] * each[k];
        made[(y * width + x) * channels + c] = level(sum);
      }
    }
  }
  return { width, height, channels, level: made };
}

function down(image: Pixels, height: number, filter: Exclude<Filter, "nearest">): Pixels {
  if (height === image.height) return image;
  const { start, weight } = weightsOf(image.height, height, filter), stride = image.width * image.channels;
  const made = new Uint8Array(stride * height), sums = new Float64Array(stride);
  for (let y = 0; y < height; y++) {
    const each = weight[y];
    sums.fill(0);
    for (let k = 0; k < each.length; k++) {
      const row = (start[y] + k) * stride;
      for (let x = 0; x < stride; x++) sums[x] += image.level[row + x] * each[k];
    }
    for (let x = 0; x < stride; x++) made[y * stride + x] = level(sums[x]);
  }
  return { width: image.width, height, channels: image.channels, level: made };
}

function nearestPlaces(old: number, made: number): Int32Array {
  const scale = old / made, found = new Int32Array(made);
  let at = scale * 0.5;
  for (let place = 0; place < made; place++, at += scale) found[place] = Math.min(Math.trunc(at), old - 1);
  return found;
}

function nearest(image: Pixels, width: number, height: number): Pixels {
  const columns = nearestPlaces(image.width, width), rows = nearestPlaces(image.height, height);
  const { channels } = image, made = new Uint8Array(width * height * channels);
  for (let y = 0, to = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const from = (rows[y] * image.width + columns[x]) * channels;
      for (let c = 0; c < channels; c++) made[to++] = image.level[from + c];
    }
  }
  return { width, height, channels, level: made };
}

/** Resize: across first, then down, rounded to whole levels between. */
export function resized(image: Pixels, width: number, height: number, filter: Filter): Pixels {
  if (image.width === width && image.height === height) return image;
  if (filter === "nearest") return nearest(image, width, height);
  return down(across(image, width, filter), height, filter);
}

/** The gray levels of a colour image, as Pillow weighs red, green and blue. */
export function gray(image: Pixels): Pixels {
  if (image.channels === 1) return image;
  const count = image.width * image.height, made = new Uint8Array(count);
  for (let at = 0; at < count; at++) {
    const [red, green, blue] = [image.level[3 * at], image.level[3 * at + 1], image.level[3 * at + 2]];
    made[at] = (red * 19595 + green * 38470 + blue * 7471 + 0x8000) >>> 16;
  }
  return { width: image.width, height: image.height, channels: 1, level: made };
}
