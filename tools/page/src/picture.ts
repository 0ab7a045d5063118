// A decoded image in the colours and the turn that a preparation wants: onnxmint/preprocess/decoding.py.

import { gray, Pixels } from "./pixels.ts";
import { Refused } from "./refused.ts";

/** An image as it is stored. */
export interface Picture {
  rgb: Pixels;
  alpha: Uint8Array | null; // levels from transparent to opaque; null where all is opaque
  orientation: number; // of EXIF, 1 to 8, 1 as it is stored; 0 where the page cannot read it
}

export interface Colours {
  channels: "rgb" | "bgr" | "gray";
  transparency: "drop" | "white";
  orientation: "ignore" | "apply";
}

export function asDeclared({ rgb, alpha, orientation }: Picture, wanted: Colours): Pixels {
  const whole = wanted.transparency === "white" && alpha !== null ? onWhite(rgb, alpha) : rgb;
  const upright = wanted.orientation === "apply" ? turned(whole, orientation) : whole;
  return wanted.channels === "gray" ? gray(upright) : upright;
}

/** Lay an image on white, in Pillow's whole numbers of 7 further bits. */
function onWhite(rgb: Pixels, alpha: Uint8Array): Pixels {
  const level = new Uint8Array(rgb.level.length);
  for (let at = 0; at < level.length; at++) {
    const part = alpha[Math.floor(at / 3)];
    const sum = rgb.level[at] * part * 128 + 255 * (255 - part) * 128 + (0x80 << 7);
    level[at] = part === 0 ? 255 : (((sum >>> 8) + sum) >>> 8) >>> 7;
  }
  return { ...rgb, level };
}

/** Turn or mirror an image so that it is upright. */
function turned(image: Pixels, orientation: number): Pixels {
  if (orientation === 0) throw new Refused("may say in packed metadata how it is to be turned, which this page does not read");
  if (orientation === 1) return image;
  const { channels, level } = image, across = orientation > 4;
  const [width, height] = across ? [image.height, image.width] : [image.width, image.height];
  const fromRight = [2, 3, 7, 8].includes(orientation), fromBelow = [3, 4, 6, 7].includes(orientation);
  const made = new Uint8Array(level.length);
  for (let y = 0, to = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const [column, row] = across ? [y, x] : [x, y];
      const left = fromRight ? image.width - 1 - column : column, top = fromBelow ? image.height - 1 - row : row;
      const from = (top * image.width + left) * channels;
      for (let c = 0; c < channels; c++) made[to++] = level[from + c];
    }
  }
  return { width, height, channels, level: made };
}
