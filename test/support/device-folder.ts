import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { StateFolder } from "../../hil/device/state-folder.ts";

/** Cheap enough for tests; the product's own cost is tried where it counts. */
export const CHEAP = { ln: 4, r: 8, p: 1 };

/** A clock that stands still unless it is told. */
export class HandClock {
  at = Date.parse("2026-03-01T12:00:00Z");
  readonly now = (): Date => new Date(this.at);

  pass(ms: number): void {
    this.at += ms;
  }
}

const made: string[] = [];

export function makeFolder(): string {
  const path = mkdtempSync(join(tmpdir(), "otabench-device-"));
  made.push(path);
  return path;
}

export const makeState = (): StateFolder => new StateFolder(makeFolder());

export function removeFolders(): void {
  for (const path of made.splice(0)) rmSync(path, { recursive: true, force: true });
}
