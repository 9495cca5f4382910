import { BODY_PIECE_LENGTH } from "../../gateway/source/host-request.ts";
import type { DetachedSignature, SourceInput, SourceOutput, UpdateSource } from "../../gateway/source/update-source.ts";

/** A file that is here already, as an update source: offers it always, and asks the world for nothing. */
export class FileSource implements UpdateSource {
  readonly system = "file";
  readonly kind = "http";
  readonly #file: Uint8Array;
  readonly #signature: DetachedSignature | undefined;
  readonly #outputs: SourceOutput[] = [];

  constructor(file: Uint8Array, signature: DetachedSignature | undefined) {
    this.#file = file;
    this.#signature = signature;
  }

  handle(input: SourceInput): void {
    switch (input.type) {
      case "look":
        this.#outputs.push({ type: "offer", offer: { release: "file", size: this.#file.length } });
        return;
      case "fetch":
        this.#fetch(input.from);
        return;
      case "report":
        this.#outputs.push({ type: "reported" });
        return;
      case "cancel":
      case "answer":
        return; // nothing is ever under way
    }
  }

  handleDeadline(): void {}

  nextDeadline(): undefined {
    return undefined;
  }

  poll(): SourceOutput | undefined {
    return this.#outputs.shift();
  }

  save(): undefined {
    return undefined;
  }

  load(): void {
    this.#outputs.length = 0;
  }

  #fetch(from: number): void {
    const size = this.#file.length;
    for (let offset = from; offset < size; offset += BODY_PIECE_LENGTH) {
      this.#outputs.push({ type: "piece", offset, data: this.#file.subarray(offset, offset + BODY_PIECE_LENGTH) });
    }
    const signature = this.#signature === undefined ? {} : { signature: this.#signature };
    this.#outputs.push({ type: "fetched", size, ...signature });
  }
}
