// How an image is meant to be turned, by EXIF or XMP: onnxmint/images/pillow.py reads it, and reports tell of it.

const TAG = 0x0112;
const WHOLE: Record<number, number> = { 3: 2, 4: 4, 8: 2, 9: 4 }; // types of whole numbers, and their bytes
const XMP_IN_JPEG = "http://ns.adobe.com/xap/1.0/\0";
const XMP_IN_PNG = "XML:com.adobe.xmp\0";
const EXIF_IN_WORDS = "Raw profile type exif\0"; // as ImageMagick packs it into a PNG

interface Said {
  exif: Uint8Array | null;
  xmp: string | null;
  packed: boolean; // there is some that cannot be read here
}

/** 1 (not at all) to 8; 1 where nothing is said, or what is said is damaged; 0 where it may be said in a packed form. */
export function orientationOf(data: Uint8Array): number {
  const said = saidOf(data, new DataView(data.buffer, data.byteOffset, data.byteLength));
  const tag = said.exif === null ? null : orientationIn(said.exif);
  if (tag !== null) return tag;
  if (said.packed) return 0;
  return allowed(Number(said.xmp?.match(/tiff:Orientation(?:="|>)([0-9])/)?.[1] ?? 1));
}

function allowed(turn: number): number {
  return turn >= 1 && turn <= 8 ? turn : 1;
}

function letters(data: Uint8Array, at: number, count: number): string {
  return String.fromCharCode(...data.subarray(at, at + count));
}

function text(data: Uint8Array): string {
  return new TextDecoder("latin1").decode(data);
}

function saidOf(data: Uint8Array, view: DataView): Said {
  const found: Said = { exif: null, xmp: null, packed: false };
  if (data[0] === 0xff && data[1] === 0xd8) ofJpeg(data, view, found);
  else if (letters(data, 1, 3) === "PNG") ofPng(data, view, found);
  else if (letters(data, 0, 4) === "RIFF") ofWebp(data, view, found);
  return found;
}

function ofJpeg(data: Uint8Array, view: DataView, found: Said): void {
  for (let at = 2; at + 10 < data.length && data[at] === 0xff && data[at + 1] !== 0xda;) {
    const end = at + 2 + view.getUint16(at + 2);
    if (data[at + 1] === 0xe1 && letters(data, at + 4, 4) === "Exif") found.exif ??= data.subarray(at + 10, end);
    if (data[at + 1] === 0xe1 && letters(data, at + 4, XMP_IN_JPEG.length) === XMP_IN_JPEG) {
      found.xmp = text(data.subarray(at + 4 + XMP_IN_JPEG.length, end));
    }
    at = end;
  }
}

function ofPng(data: Uint8Array, view: DataView, found: Said): void {
  for (let at = 8; at + 8 < data.length;) {
    const start = at + 8, end = start + view.getUint32(at), name = letters(data, at + 4, 4);
    if (name === "eXIf") found.exif = data.subarray(start, end);
    if (name === "iTXt" && letters(data, start, XMP_IN_PNG.length) === XMP_IN_PNG) {
      if (data[start + XMP_IN_PNG.length]) found.packed = true;
      else found.xmp = text(data.subarray(start + XMP_IN_PNG.length, end));
    }
    found.packed ||= /^[tz]..t$/i.test(name) && letters(data, start, EXIF_IN_WORDS.length) === EXIF_IN_WORDS;
    at = end + 4;
  }
}

function ofWebp(data: Uint8Array, view: DataView, found: Said): void {
  for (let at = 12; at + 8 < data.length;) {
    const start = at + 8, size = view.getUint32(at + 4, true), name = letters(data, at, 4);
    if (name === "EXIF") found.exif = data.subarray(start, start + size);
    if (name === "XMP ") found.xmp = text(data.subarray(start, start + size));
    at = start + size + size % 2;
  }
}

/** What a TIFF block says; null where it says nothing. */
function orientationIn(block: Uint8Array): number | null {
  const from = letters(block, 0, 4) === "Exif" ? block.subarray(6) : block;
  if (from.length < 14) return 1;
  const view = new DataView(from.buffer, from.byteOffset, from.byteLength), little = from[0] === 0x49;
  const first = view.getUint32(4, little);
  if (first + 2 > from.length) return 1;
  for (let entry = 0; entry < view.getUint16(first, little); entry++) {
    const at = first + 2 + 12 * entry;
    if (at + 12 > from.length) return 1;
    if (view.getUint16(at, little) === TAG) {
      const size = WHOLE[view.getUint16(at + 2, little)];
      if (size === undefined || view.getUint32(at + 4, little) !== 1) return 1;
      return allowed(size === 2 ? view.getUint16(at + 8, little) : view.getUint32(at + 8, little));
    }
  }
  return null;
}
