import { chmodSync, existsSync } from "node:fs";
import { join } from "node:path";
import type { z } from "zod";
import { makeFolder } from "../record/claim.ts";
import { readIfThere, writeDurably } from "../record/durable-file.ts";
import { exclusively } from "../record/file-lock.ts";
import { FileError } from "../record/record-error.ts";
import { DeviceError } from "./device-error.ts";

/** How long a short piece of work of another process is waited for, wall milliseconds. */
const PATIENCE_MS = 5_000;

/** Where a device keeps what it has to know after a restart. Its files can be read by their owner only. */
export class StateFolder {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  /** @throws {FileError} FILE_UNWRITABLE */
  make(): void {
    try {
      if (existsSync(this.path)) return;
      makeFolder(this.path);
      chmodSync(this.path, 0o700);
    } catch (cause) {
      throw new FileError("FILE_UNWRITABLE", `can't make ${this.path}: ${(cause as Error).message}`, { cause });
    }
  }

  file(name: string): string {
    return join(this.path, name);
  }

  has(name: string): boolean {
    return existsSync(this.file(name));
  }

  /** @returns undefined when there is no such file @throws {DeviceError} STATE_DAMAGED */
  read<Schema extends z.ZodType>(name: string, schema: Schema): z.infer<Schema> | undefined {
    const bytes = readIfThere(this.file(name));
    if (bytes === undefined) return undefined;
    try {
      return schema.parse(JSON.parse(new TextDecoder().decode(bytes)));
    } catch (cause) {
      const [line] = (cause as Error).message.split("\n");
      throw new DeviceError("STATE_DAMAGED", `${this.file(name)} is not what it must be: ${line}`, { cause });
    }
  }

  write(name: string, value: unknown): void {
    writeDurably(this.file(name), new TextEncoder().encode(`${JSON.stringify(value, undefined, 1)}\n`));
  }

  /** One at a time, of all processes; whoever comes second is told so. @throws {DeviceError} STATE_LOCKED */
  alone<Result>(what: string, work: () => Result | Promise<Result>): Promise<Result> {
    return this.#exclusively(what, 0, work);
  }

  /** One at a time, of all processes; whoever comes second waits. @throws {DeviceError} STATE_LOCKED after 5 s */
  inTurn<Result>(what: string, work: () => Result | Promise<Result>): Promise<Result> {
    return this.#exclusively(what, PATIENCE_MS, work);
  }

  async #exclusively<Result>(what: string, waitMs: number, work: () => Result | Promise<Result>): Promise<Result> {
    const path = this.file(`${what}.lock`);
    let begun = false;
    try {
      return await exclusively(path, waitMs, () => {
        begun = true;
        return work();
      });
    } catch (cause) {
      if (begun || !(cause instanceof FileError)) throw cause;
      throw new DeviceError(cause.code === "FILE_LOCKED" ? "STATE_LOCKED" : "STATE_MISSING", cause.message, { cause });
    }
  }
}
