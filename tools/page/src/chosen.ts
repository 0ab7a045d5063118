// What a person chose or dropped, as files with paths from the folder on.

import { Given } from "./folders.ts";

/** The files of an input that takes a folder; the folder itself is no part of their paths. */
export function ofInput(files: FileList): Given[] {
  return Array.from(files, (file) => ({ file, path: inside(file.webkitRelativePath) || file.name }));
}

function inside(path: string): string {
  return path.slice(path.indexOf("/") + 1);
}

type Reading = FileSystemHandle | null; // which Firefox and Safari lack

interface Dropped {
  handle: Promise<Reading> | undefined;
  entry: FileSystemEntry | null;
}

/**
 * The files of what was dropped: of one folder what lies in it, of several things each under its own name.
 * Chromium reads entries on servers only, of a page from a disk it reads handles; Firefox has entries alone.
 */
export async function ofDrop(items: DataTransferItemList): Promise<Given[]> {
  const dropped: Dropped[] = Array.from(items).filter(({ kind }) => kind === "file").map((item) => ({
    handle: (item as { getAsFileSystemHandle?: () => Promise<Reading> }).getAsFileSystemHandle?.(),
    entry: item.webkitGetAsEntry(),
  })); // all at once: a drop is over at the first wait
  const found: Given[] = [];
  let folders = 0;
  for (const { handle, entry } of dropped) {
    const reading = await handle?.catch(() => null);
    if (reading) await ofHandle(reading, "", found);
    else if (entry !== null) await ofEntry(entry, "", found);
    folders += Number(reading ? reading.kind === "directory" : entry?.isDirectory);
  }
  return dropped.length === 1 && folders ? found.map(({ file, path }) => ({ file, path: inside(path) })) : found;
}

function below(above: string, name: string): string {
  return above ? `${above}/${name}` : name;
}

async function ofHandle(handle: FileSystemHandle, above: string, found: Given[]): Promise<void> {
  const path = below(above, handle.name);
  if (handle.kind === "file") {
    found.push({ file: await (handle as FileSystemFileHandle).getFile(), path });
    return;
  }
  for await (const one of (handle as FileSystemDirectoryHandle).values()) await ofHandle(one, path, found);
}

async function ofEntry(entry: FileSystemEntry, above: string, found: Given[]): Promise<void> {
  const path = below(above, entry.name);
  if (entry.isFile) {
    const file = await new Promise<File>((take, refuse) => { (entry as FileSystemFileEntry).file(take, refuse); });
    found.push({ file, path });
    return;
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  for (;;) { // a reader gives some hundred entries at a time
    const some = await new Promise<FileSystemEntry[]>((take, refuse) => { reader.readEntries(take, refuse); });
    if (!some.length) return;
    for (const one of some) await ofEntry(one, path, found);
  }
}
