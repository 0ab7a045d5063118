// Which files are images, and of which class: onnxmint/images/folders.py, classes.py and labelled.py.

import { Numbering } from "./page_facts.ts";
import { Told } from "./refused.ts";

const SUFFIXES = new Set([
  "jpg", "jpeg", "jpe", "jfif", "png", "apng", "webp", "bmp", "gif", "tif", "tiff", "ppm", "pgm", "pbm", "pnm", "avif",
  "heic", "heif",
]);
const FAULTY = 0.05; // share of images without a class up to which these are left out

/** A file with its path in the folder that was given. */
export interface Given {
  path: string;
  file: File;
}

export interface Listed {
  images: Given[];
  passedOver: number; // files that are no images by their name
  label: number[] | null;
  unlabelled: string[]; // left out, as they lie in no class folder
}

/** The images of a folder in the order of their paths, with their classes where the auditor is told labels. */
export function listed(given: Given[], told: boolean, classes: Numbering | null, outputs: number): Listed {
  const seen = given.filter(({ path }) => !path.split("/").some((part) => part.startsWith(".")));
  let images = seen.filter(({ path }) => SUFFIXES.has(path.split(".").pop()!.toLowerCase()) && path.includes("."));
  images = images.map((one) => ({ one, parts: one.path.split("/") })).sort((a, b) => byParts(a.parts, b.parts))
    .map(({ one }) => one);
  const passedOver = seen.length - images.length;
  if (!told) return { images, passedOver, label: null, unlabelled: [] };
  const without = images.filter(({ path }) => classOf(path) === ""), count = images.length;
  const few = without.length <= Math.max(1, FAULTY * count) && without.length < count;
  if (without.length && !few) {
    throw new Told("The auditor has to be told the class of each image, but {lacking} of {images} lie in no class folder "
      + "({path}). Sort the images into one folder a class, and choose the folder that holds these.",
    { lacking: without.length, images: count, path: without[0].path });
  }
  images = images.filter(({ path }) => classOf(path) !== "");
  const numbers = numbersOf([...new Set(images.map(({ path }) => classOf(path)))], classes);
  const label = images.map(({ path }) => numbers.get(classOf(path))!);
  const odd = label.findIndex((number) => number < 0 || number >= outputs);
  if (odd >= 0) throw unknownClass(classOf(images[odd].path), Array.from({ length: outputs }, (_, at) => String(at)));
  return { images, passedOver, label, unlabelled: without.map(({ path }) => path) };
}

function unknownClass(name: string, known: string[]): Told {
  const some = known.length > 12 ? [...known.slice(0, 12), "..."] : known;
  return new Told("The folder {name} is no class that the auditor knows. It knows: {known}.",
    { name, known: some.join(", ") });
}

function classOf(path: string): string {
  const slash = path.indexOf("/");
  return slash < 0 ? "" : path.slice(0, slash).normalize("NFC");
}

function byParts(one: string[], other: string[]): number {
  for (let at = 0; at < Math.min(one.length, other.length); at++) {
    const found = byLetters(one[at], other[at]);
    if (found) return found;
  }
  return one.length - other.length;
}

/** Order texts as Python does, letter by letter. */
function byLetters(one: string, other: string): number {
  const [a, b] = [[...one], [...other]];
  for (let at = 0; at < Math.min(a.length, b.length); at++) {
    const found = a[at].codePointAt(0)! - b[at].codePointAt(0)!;
    if (found) return found;
  }
  return a.length - b.length;
}

const isNumber = (name: string) => /^\d+$/.test(name);

/** The number of each class folder: as the known images have it, else its own, else by the alphabet. */
function numbersOf(folders: string[], known: Numbering | null): Map<string, number> {
  if (known === null) {
    const ordered = folders.sort(byLetters), own = ordered.map(Number);
    const numeric = ordered.every(isNumber) && new Set(own).size === own.length;
    return new Map(ordered.map((name, place) => [name, numeric ? Number(name) : place]));
  }
  const byName = new Map(known.names.map((name, place) => [name, known.numbers[place]]));
  const all = known.names.every(isNumber) && new Set(known.names.map(Number)).size === known.names.length;
  const byValue = new Map(all ? known.names.map((name, place) => [Number(name), known.numbers[place]]) : []);
  const noneIs = !known.names.some(isNumber), found = new Map<string, number>();
  for (const name of folders) {
    let number = byName.get(name);
    if (number === undefined && isNumber(name)) number = byValue.get(Number(name));
    if (number === undefined && isNumber(name) && noneIs && known.numbers.includes(Number(name))) number = Number(name);
    if (number === undefined) throw unknownClass(name, known.names);
    found.set(name, number);
  }
  return found;
}
