import { createHash } from "node:crypto";
import type { FileFacts } from "../../../gateway/source/ssu/app-frames.ts";
import type { FileStore, OpenFile, Upload } from "./file-store.ts";

/** Files in memory. */
export class MemoryStore implements FileStore {
  readonly files = new Map<string, Uint8Array>();
  readonly #parts = new Map<string, Uint8Array>();
  readonly #receiving = new Set<string>();

  list(): FileFacts[] {
    return [...this.files].map(([name, data]) => factsOf(name, data));
  }

  open(name: string): OpenFile | undefined {
    const data = this.files.get(name);
    if (data === undefined) return undefined;
    return {
      facts: factsOf(name, data),
      read: (offset, length) => data.subarray(offset, offset + length),
      close: () => {},
    };
  }

  receive(facts: FileFacts): Upload | undefined {
    const part = `${Buffer.from(facts.digest).toString("hex")}-${facts.size}`;
    if (this.#receiving.has(part)) return undefined;
    this.#receiving.add(part);
    let held = Buffer.from(this.#parts.get(part) ?? []);
    return {
      offset: held.length,
      write: (data) => {
        held = Buffer.concat([held, data]);
      },
      finish: () => {
        this.#receiving.delete(part);
        this.#parts.delete(part);
        if (held.length !== facts.size || !createHash("sha256").update(held).digest().equals(facts.digest))
          return undefined;
        this.files.set(`received_${facts.name}`, new Uint8Array(held));
        return `received_${facts.name}`;
      },
      close: () => {
        if (this.#receiving.delete(part)) this.#parts.set(part, new Uint8Array(held));
      },
    };
  }
}

const factsOf = (name: string, data: Uint8Array): FileFacts => ({
  name,
  size: data.length,
  digest: new Uint8Array(createHash("sha256").update(data).digest()),
});
