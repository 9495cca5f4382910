import { accessSync, constants, existsSync, mkdirSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { FileError } from "./record-error.ts";

/**
 * Makes a folder and those on the way to it. Not by `recursive`: where the system makes no folders, as in /proc, Node 26
 * tries again for ever.
 */
export function makeFolder(path: string): void {
  const missing: string[] = [];
  for (let folder = resolve(path); !existsSync(folder); folder = dirname(folder)) missing.push(folder);
  for (const folder of missing.reverse()) {
    try {
      mkdirSync(folder);
    } catch (cause) {
      if (!isFolder(folder)) throw cause;
    }
  }
}

/** Finds out, before work is done for it, that a file can be written; makes its folder. @throws {FileError} */
export function claimFile(path: string): void {
  try {
    makeFolder(dirname(path));
    accessSync(dirname(path), constants.W_OK | constants.X_OK);
  } catch (cause) {
    throw new FileError("FILE_UNWRITABLE", `can't write ${path}: ${(cause as Error).message}`, { cause });
  }
  if (!isFolder(dirname(path)))
    throw new FileError("FILE_UNWRITABLE", `can't write ${path}: ${dirname(path)} is a file`);
  if (isFolder(path)) throw new FileError("FILE_UNWRITABLE", `can't write ${path}: there is a folder of that name`);
}

const isFolder = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
