import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { InvariantError } from "../../emulator/kernel/errors.ts";

/** The version in our package.json, which is one folder further up once the sources have been built. */
export function otabenchVersion(): string {
  for (let folder = import.meta.dirname; folder !== dirname(folder); folder = dirname(folder)) {
    const path = join(folder, "package.json");
    if (existsSync(path)) return (JSON.parse(readFileSync(path, "utf8")) as { version: string }).version;
  }
  throw new InvariantError("package.json is missing");
}
