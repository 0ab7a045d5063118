// How an image is meant to be turned, by EXIF: onnxmint/images/pillow.py reads it, and reports tell of it.

const TAG = 0x0112;

/** 1 (not at all) to 8; 1 where nothing is said, or what is said is damaged. */
export function orientationOf(data: Uint8Array): number {
  const block = exifOf(data, new DataView(data.buffer, data.byteOffset, data.byteLength));
  return block === null ? 1 : orientationIn(block);
}

function named(data: Uint8Array, at: number): string {
  return String.fromCharCode(...data.subarray(at, at + 4));
}

/** The TIFF block of a JPEG's first segment of EXIF, or of the chunk of a PNG or WebP. */
function exifOf(data: Uint8Array, view: DataView): Uint8Array | null {
  if (data[0] === 0xff && data[1] === 0xd8) {
    for (let at = 2; at + 10 < data.length && data[at] === 0xff && data[at + 1] !== 0xda;) {
      const size = view.getUint16(at + 2);
      if (data[at + 1] === 0xe1 && named(data, at + 4) === "Exif") return data.subarray(at + 10, at + 2 + size);
      at += 2 + size;
    }
    return null;
  }
  const png = named(data, 1).startsWith("PNG");
  if (!png && named(data, 0) !== "RIFF") return null;
  for (let at = png ? 8 : 12; at + 8 < data.length;) {
    const size = png ? view.getUint32(at) : view.getUint32(at + 4, true), start = at + 8;
    if (named(data, png ? at + 4 : at) === (png ? "eXIf" : "EXIF")) return data.subarray(start, start + size);
    at = start + size + (png ? 4 : size % 2);
  }
  return null;
}

function orientationIn(block: Uint8Array): number {
  const from = named(block, 0) === "Exif" ? block.subarray(6) : block;
  if (from.length < 14) return 1;
  const view = new DataView(from.buffer, from.byteOffset, from.byteLength), little = from[0] === 0x49;
  const first = view.getUint32(4, little);
  if (first + 2 > from.length) return 1;
  for (let entry = 0; entry < view.getUint16(first, little); entry++) {
    const at = first + 2 + 12 * entry;
    if (at + 12 > from.length) return 1;
    if (view.getUint16(at, little) === TAG) {
      const found = view.getUint16(at + 8, little);
      return found >= 1 && found <= 8 ? found : 1;
    }
  }
  return 1;
}
