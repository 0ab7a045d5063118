// How an image gets the target's size: onnxmint/preprocess/geometry.py.

import { roundHalfEven } from "./arrays.ts";
import { asDeclared, Colours, Picture } from "./picture.ts";
import { Filter, Pixels, resized } from "./pixels.ts";
import { Refused } from "./refused.ts";
import { resizedLikeTorch, resizedWithoutAntialias, TorchFilter } from "./resampling.ts";

export const LARGEST = 50_000_000; // pixels
const MOST_WEIGHTS = 6_000_000; // of one side

type Size = [number, number]; // height, width

/** Of a declared preparation what runs before the graph. */
export interface Spec extends Colours {
  size: Size | null;
  resize: "fit-when-needed" | "squash" | "shortest" | "cover" | "longest" | "none";
  filter: Filter;
  resampler: "pillow" | "torch" | "no-antialias";
  crop: Size | null;
  crop_rule: "torchvision" | "transformers" | "transformers-fast";
  pad: number[] | null;
}

const RULES = {
  torchvision: [roundHalfEven, Math.floor],
  transformers: [Math.floor, Math.ceil],
  "transformers-fast": [Math.floor, Math.floor],
};

/** The pixels that a target expects of an image, red first. */
export function prepared(picture: Picture, spec: Spec): Pixels {
  return cropped(sized(asDeclared(picture, spec), spec), spec);
}

function sized(image: Pixels, spec: Spec): Pixels {
  if (spec.size === null) return image;
  let [height, width] = spec.size;
  const same = image.height === height && image.width === width;
  if (spec.resize === "none") {
    if (spec.crop === null && !same) {
      throw new Refused(`is ${image.height}x${image.width} pixels, the model takes ${height}x${width}`);
    }
    return image;
  }
  if (spec.resize === "shortest" || spec.resize === "cover" || spec.resize === "longest") {
    [height, width] = ofSameAspect(image, spec.size, spec.resize);
  } else if (spec.resize === "fit-when-needed" && same) {
    return image;
  }
  return resampled(image, width, height, spec);
}

function resampled(image: Pixels, width: number, height: number, { resampler, filter }: Spec): Pixels {
  const start = `is ${image.height}x${image.width} pixels, too`;
  if (resampler !== "pillow" && Math.max(height * image.height, width * image.width) > MOST_WEIGHTS) {
    throw new Refused(`${start} long to be resized as '${resampler}' does`);
  }
  if (width * image.height > LARGEST) throw new Refused(`${start} tall to be resized to a width of ${width}`);
  if (resampler === "torch") return resizedLikeTorch(image, width, height, filter as TorchFilter);
  if (resampler === "no-antialias") return resizedWithoutAntialias(image, width, height);
  return resized(image, width, height, filter);
}

function ofSameAspect(image: Pixels, size: Size, resize: "shortest" | "cover" | "longest"): Size {
  const old: Size = [image.height, image.width];
  let made: Size;
  if (resize === "shortest") {
    const short = Math.min(...size), longer = Math.trunc(short * Math.max(...old) / Math.min(...old));
    made = image.width <= image.height ? [longer, short] : [short, longer];
  } else {
    const ratios = [old[0] / size[0], old[1] / size[1]];
    const ratio = resize === "longest" ? Math.max(...ratios) : Math.min(...ratios);
    made = [Math.max(1, roundHalfEven(old[0] / ratio)), Math.max(1, roundHalfEven(old[1] / ratio))];
  }
  if (made[0] * made[1] > LARGEST) {
    throw new Refused(`is ${old[0]}x${old[1]} pixels, too thin: it would become ${made[0]}x${made[1]}`);
  }
  return made;
}

function cropped(image: Pixels, spec: Spec): Pixels {
  if (spec.crop === null) return image;
  const [height, width] = spec.crop, [cut, pad] = RULES[spec.crop_rule];
  let from = image;
  if (image.height < height || image.width < width) {
    if (spec.pad === null) {
      throw new Refused(`is ${image.height}x${image.width} pixels, too small for the crop of ${height}x${width}`);
    }
    const [tall, wide] = [Math.max(height, image.height), Math.max(width, image.width)];
    from = filled(tall, wide, image.channels, spec.pad);
    laid(image, from, pad((tall - image.height) / 2), pad((wide - image.width) / 2));
  }
  const made = filled(height, width, image.channels, [0]);
  const top = cut((from.height - height) / 2), left = cut((from.width - width) / 2);
  laid(from, made, -top, -left);
  return made;
}

function filled(height: number, width: number, channels: number, levels: number[]): Pixels {
  const level = new Uint8Array(height * width * channels);
  for (let at = 0; at < level.length; at++) level[at] = levels[at % channels % levels.length];
  return { width, height, channels, level };
}

/** Copy an image onto another, as far as it lies inside. */
function laid(image: Pixels, onto: Pixels, top: number, left: number): void {
  const first = Math.max(0, -left), last = Math.min(image.width, onto.width - left);
  for (let y = Math.max(0, -top); y < Math.min(image.height, onto.height - top); y++) {
    const from = (y * image.width + first) * image.channels, to = ((y + top) * onto.width + first + left) * image.channels;
    onto.level.set(image.level.subarray(from, from + (last - first) * image.channels), to);
  }
}
