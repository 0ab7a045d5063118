// Encoded images become levels as Pillow decodes them; what cannot be decoded exactly is refused, never guessed.

import jpeg, { init as initJpeg } from "@jsquash/jpeg/decode";
import png, { init as initPng } from "@jsquash/png/decode";
import webp, { init as initWebp } from "@jsquash/webp/decode";
import { count } from "./format.ts";
import { LARGEST } from "./geometry.ts";
import { orientationOf } from "./orientation.ts";
import { Picture } from "./picture.ts";
import { Refused } from "./refused.ts";

const LARGEST_FILE = 256 << 20;
const OTHER_FORMS: [number, string, string][] = [
  [0, "II*\0", "is a TIFF image"], [0, "MM\0*", "is a TIFF image"], [4, "ftypavi", "is an AVIF image"],
  [4, "ftyp", "is a HEIC image"], [0, "P1", "is a PPM image"], [0, "P2", "is a PPM image"], [0, "P3", "is a PPM image"],
  [0, "P4", "is a PPM image"], [0, "P5", "is a PPM image"], [0, "P6", "is a PPM image"],
];

/** The decoders' compiled code. */
export interface Decoders {
  jpeg: WebAssembly.Module;
  png: WebAssembly.Module;
  webp: WebAssembly.Module;
}

let warned = ""; // what the decoder of JPEG said of damage that it decodes nevertheless, each build in its own way

export async function openDecoders(decoders: Decoders): Promise<void> {
  const init = initJpeg as (module: WebAssembly.Module, options: object) => Promise<void>;
  await init(decoders.jpeg, { printErr: (text: string) => { warned ||= text; } });
  await initPng(decoders.png);
  await initWebp(decoders.webp);
}

/** An encoded image as it is stored. */
export async function decoded(data: Uint8Array): Promise<Picture> {
  if (!data.length) throw new Refused("is empty");
  if (data.length > LARGEST_FILE) throw new Refused(`is absurdly large: ${count(data.length >> 20)} MiB (allowed 256)`);
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength), starts = (at: number, text: string) => (
    [...text].every((letter, i) => data[at + i] === letter.charCodeAt(0))
  );
  if (starts(0, "\xff\xd8\xff")) return ofJpeg(data, view);
  if (starts(0, "\x89PNG\r\n\x1a\n")) return ofPng(data, view);
  if (starts(0, "RIFF") && starts(8, "WEBP")) return ofWebp(data, view);
  if (starts(0, "BM") || starts(0, "GIF8")) return ofBrowser(data, view, starts(0, "BM"));
  const other = OTHER_FORMS.find(([at, text]) => starts(at, text));
  if (other) throw new Refused(`${other[2]}, which this page does not read: convert it to PNG, or use onnxmint audit`);
  throw new Refused("is not an image in JPEG, PNG, WEBP, BMP, GIF");
}

function requireSize(width: number, height: number): void {
  if (width * height > LARGEST) {
    throw new Refused(`is absurdly large: ${width} x ${height} pixels (allowed ${count(LARGEST)})`);
  }
  if (!width || !height) throw new Refused("is broken: it has no pixels");
}

async function attempted(decode: () => Promise<ImageData>): Promise<ImageData> {
  try {
    const found = await decode();
    if (!found?.data?.length) throw new Error("no pixels");
    return found;
  } catch (problem) {
    throw new Refused(`is broken: ${String((problem as Error)?.message ?? problem).slice(0, 160)}`);
  }
}

function pictureOf({ width, height, data }: ImageData, orientation = 1): Picture {
  const level = new Uint8Array(width * height * 3), alpha = new Uint8Array(width * height);
  let opaque = true;
  for (let from = 0, to = 0; to < level.length; from += 4) {
    level[to++] = data[from];
    level[to++] = data[from + 1];
    level[to++] = data[from + 2];
    alpha[from / 4] = data[from + 3];
    opaque &&= data[from + 3] === 255;
  }
  return { rgb: { width, height, channels: 3, level }, alpha: opaque ? null : alpha, orientation };
}

interface JpegFacts {
  width: number;
  height: number;
  components: number;
  bits: number;
  ends: boolean;
}

/** What the markers of a JPEG say, and whether its last one is there. */
function jpegFacts(data: Uint8Array, view: DataView): JpegFacts {
  const found: JpegFacts = { width: 0, height: 0, components: 0, bits: 8, ends: false };
  let at = 2, scanned = false;
  while (at + 3 < data.length || (scanned && at + 1 < data.length)) {
    if (data[at] !== 0xff) {
      at++;
      continue;
    }
    const marker = data[at + 1];
    if (marker === 0xd9) {
      found.ends = true;
      break;
    }
    if (marker === 0xff) {
      at++;
    } else if (marker === 0 || marker === 1 || (marker >= 0xd0 && marker <= 0xd8)) {
      at += 2;
    } else {
      if (at + 4 > data.length) break;
      const isFrame = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
      if (isFrame && at + 10 <= data.length) {
        found.bits = data[at + 4];
        found.height = view.getUint16(at + 5);
        found.width = view.getUint16(at + 7);
        found.components = data[at + 9];
      }
      scanned ||= marker === 0xda;
      at += 2 + view.getUint16(at + 2);
    }
  }
  return found;
}

async function ofJpeg(data: Uint8Array, view: DataView): Promise<Picture> {
  const facts = jpegFacts(data, view);
  if (!facts.components) throw new Refused("is broken: a JPEG without a frame");
  requireSize(facts.width, facts.height);
  if (facts.bits !== 8) throw new Refused("has more than 8 bits a channel; convert it to 8 bits as the model saw it");
  if (!facts.ends) throw new Refused("is broken: image file is truncated");
  if (facts.components !== 1 && facts.components !== 3) return ofBrowser(data, view, true, facts);
  warned = "";
  const found = await attempted(() => jpeg(data.slice().buffer as ArrayBuffer));
  if (warned) throw new Refused(`is broken: ${warned.slice(0, 160)}`);
  return pictureOf(found, orientationOf(data));
}

async function ofPng(data: Uint8Array, view: DataView): Promise<Picture> {
  if (data.length < 33) throw new Refused("is broken: image file is truncated");
  requireSize(view.getUint32(16), view.getUint32(20));
  if (data[24] > 8) throw new Refused("has more than 8 bits a channel; convert it to 8 bits as the model saw it");
  requireWholePng(data, view);
  return pictureOf(await attempted(() => png(data.slice().buffer as ArrayBuffer)), orientationOf(data));
}

const REMAINDERS = Int32Array.from({ length: 256 }, (_, byte) => {
  let found = byte;
  for (let bit = 0; bit < 8; bit++) found = found & 1 ? (found >>> 1) ^ 0xedb88320 : found >>> 1;
  return found;
});

function crc32(data: Uint8Array): number {
  let found = -1;
  for (let at = 0; at < data.length; at++) found = REMAINDERS[(found ^ data[at]) & 255] ^ (found >>> 8);
  return ~found >>> 0;
}

/** Refuse a PNG whose chunks end early, or are not what their checksums say: the decoder does not look. */
function requireWholePng(data: Uint8Array, view: DataView): void {
  for (let at = 8; at + 12 <= data.length;) {
    const size = view.getUint32(at), end = at + 8 + size;
    if (end + 4 > data.length) break;
    const name = String.fromCharCode(...data.subarray(at + 4, at + 8));
    if (crc32(data.subarray(at + 4, end)) !== view.getUint32(end)) {
      throw new Refused(`is broken: a checksum is wrong (${/^[A-Za-z]{4}$/.test(name) ? name : "a chunk without a name"})`);
    }
    if (name === "IEND") return;
    at += 12 + size;
  }
  throw new Refused("is broken: image file is truncated");
}

async function ofWebp(data: Uint8Array, view: DataView): Promise<Picture> {
  if (data.length < 30) throw new Refused("is broken: it ends too early");
  const size = view.getUint32(4, true) + 8;
  if (size !== data.length && size + size % 2 !== data.length) throw new Refused("is broken: it has not the size it says");
  const form = String.fromCharCode(...data.subarray(12, 16));
  if (form === "VP8X") {
    if (data[20] & 2) throw new Refused("is an animation, which this page does not read: convert it to PNG");
    const three = (at: number) => 1 + data[at] + (data[at + 1] << 8) + (data[at + 2] << 16);
    requireSize(three(24), three(27));
  }
  return pictureOf(await attempted(() => webp(data.slice().buffer as ArrayBuffer)), orientationOf(data));
}

/** Decode by the browser, without any change of colours; only where it gives Pillow's levels. */
async function ofBrowser(data: Uint8Array, view: DataView, little: boolean, jpegOf?: JpegFacts): Promise<Picture> {
  if (typeof createImageBitmap !== "function" || typeof OffscreenCanvas !== "function") {
    throw new Refused("needs a browser that decodes it: convert it to PNG");
  }
  if (jpegOf === undefined && data.length < 26) throw new Refused("is broken: image file is truncated");
  const [width, height] = jpegOf ? [jpegOf.width, jpegOf.height] : little
    ? [view.getInt32(18, true), Math.abs(view.getInt32(22, true))]
    : [view.getUint16(6, true), view.getUint16(8, true)];
  requireSize(width, height);
  const found = await attempted(async () => {
    const bitmap = await createImageBitmap(new Blob([data as Uint8Array<ArrayBuffer>]), {
      colorSpaceConversion: "none", premultiplyAlpha: "none", imageOrientation: "from-image",
    });
    const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext("2d", { willReadFrequently: true })!;
    context.drawImage(bitmap, 0, 0);
    return context.getImageData(0, 0, bitmap.width, bitmap.height);
  });
  if (found.width !== width || found.height !== height) throw new Refused("is stored turned, which this page cannot read");
  for (let at = 3; at < found.data.length; at += 4) {
    if (found.data[at] !== 255) throw new Refused("has transparent parts, which this page reads in PNG and WebP only");
  }
  return pictureOf(found);
}
