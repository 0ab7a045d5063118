// What a person chose or dropped, as files with paths from the folder on.

import { Given } from "./folders.ts";

/** The files of an input that takes a folder; the folder itself is no part of their paths. */
export function ofInput(files: FileList): Given[] {
  return Array.from(files, (file) => ({ file, path: inside(file.webkitRelativePath) || file.name }));
}

function inside(path: string): string {
  return path.slice(path.indexOf("/") + 1);
}

/** The files of what was dropped: of one folder what lies in it, of several things each under its own name. */
export async function ofDrop(items: DataTransferItemList): Promise<Given[]> {
  const entries = Array.from(items, (item) => item.webkitGetAsEntry()).filter((entry) => entry !== null);
  const found: Given[] = [];
  for (const entry of entries) await collect(entry, "", found);
  const alone = entries.length === 1 && entries[0].isDirectory;
  return alone ? found.map(({ file, path }) => ({ file, path: inside(path) })) : found;
}

async function collect(entry: FileSystemEntry, above: string, found: Given[]): Promise<void> {
  const path = above ? `${above}/${entry.name}` : entry.name;
  if (entry.isFile) {
    const file = await new Promise<File>((take, refuse) => { (entry as FileSystemFileEntry).file(take, refuse); });
    found.push({ file, path });
    return;
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  for (;;) { // a reader gives some hundred entries at a time
    const some = await new Promise<FileSystemEntry[]>((take, refuse) => { reader.readEntries(take, refuse); });
    if (!some.length) return;
    for (const one of some) await collect(one, path, found);
  }
}
