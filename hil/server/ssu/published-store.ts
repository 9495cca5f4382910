import { createHash } from "node:crypto";
import type { FileFacts } from "../../../gateway/source/ssu/app-frames.ts";
import { FaultSet, type ServerFault } from "../server-faults.ts";
import type { FileStore, OpenFile } from "./file-store.ts";

/** Files that were put there to be fetched, and no others; nothing is taken in. They may be spoilt on their way. */
export class PublishedStore implements FileStore {
  readonly #files = new Map<string, Uint8Array>();
  readonly #digests = new WeakMap<Uint8Array, Uint8Array>();
  #faults = new FaultSet([]);

  publish(name: string, file: Uint8Array): void {
    this.#files.set(name, file);
  }

  withdraw(name: string): void {
    this.#files.delete(name);
  }

  /** From now on these are on and no others. */
  setFaults(faults: readonly ServerFault[]): void {
    this.#faults = new FaultSet(faults);
  }

  list(): FileFacts[] {
    return [...this.#files.keys()].sort().flatMap((name) => this.open(name)?.facts ?? []);
  }

  open(name: string): OpenFile | undefined {
    const whole = this.#files.get(name);
    if (whole === undefined) return undefined;
    const faults = this.#faults;
    const length = faults.find("truncateTo", name)?.length;
    const file = length === undefined ? whole : whole.subarray(0, length);
    const turned = faults.find("corruptByteAt", name)?.offset;
    return {
      facts: { name, size: file.length, digest: this.#digestOf(file) },
      read(offset, length) {
        const data = file.slice(offset, offset + length);
        const at = (turned ?? -1) - offset;
        if (at >= 0 && at < data.length) data[at] = ~(data[at] as number);
        return data;
      },
      close: () => {},
      bytesPerSecond: faults.find("slow", name)?.bytesPerSecond,
      breaksOffAt(from) {
        const sent = faults.takeDeath(name, file.length - from);
        return sent === undefined ? undefined : from + sent;
      },
    };
  }

  receive(): undefined {
    return undefined;
  }

  #digestOf(file: Uint8Array): Uint8Array {
    const digest = this.#digests.get(file) ?? new Uint8Array(createHash("sha256").update(file).digest());
    this.#digests.set(file, digest);
    return digest;
  }
}
