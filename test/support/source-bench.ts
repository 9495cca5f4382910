import { Pump } from "../../emulator/kernel/pump.ts";
import { Scheduler } from "../../emulator/kernel/scheduler.ts";
import type { HostAnswer, HostRequest, HttpRequest } from "../../gateway/source/host-request.ts";
import type { SourceInput, SourceOutput, UpdateSource } from "../../gateway/source/update-source.ts";

export const NO_INVENTORY = { vin: "KMHXX00XXXX000001", ecus: [] };

/** One update source on a timeline, with the test in the place of host and network. */
export class SourceBench {
  readonly timeline = new Scheduler();
  readonly outputs: SourceOutput[] = [];
  readonly #pump: Pump<SourceInput, SourceOutput>;

  constructor(source: UpdateSource) {
    this.#pump = new Pump(source, this.timeline, (output) => this.outputs.push(output));
  }

  push(input: SourceInput): void {
    this.#pump.push(input);
  }

  /** After `load`. */
  settle(): void {
    this.#pump.settle();
  }

  /** Answers, each one, the request made last. */
  answer(...answers: readonly HostAnswer[]): void {
    for (const answer of answers) this.push({ type: "answer", request: this.lastRequest, answer });
  }

  get lastRequest(): number {
    const output = this.outputs.findLast(({ type }) => type === "request");
    return output?.type === "request" ? output.request : -1;
  }

  /** What was asked for, in order. */
  get requests(): HostRequest[] {
    return this.outputs.flatMap((output) => (output.type === "request" ? [output.what] : []));
  }

  /** The same, by a source of the https system. */
  get httpRequests(): HttpRequest[] {
    return this.requests.flatMap((request) => (request.kind === "http" ? [request] : []));
  }

  /** The last thing that was said, other than a request. */
  get last(): SourceOutput | undefined {
    return this.outputs.findLast(({ type }) => type !== "request" && type !== "abandon");
  }

  /** Whether some output of that type was given. */
  count(type: SourceOutput["type"]): number {
    return this.outputs.filter((output) => output.type === type).length;
  }

  /** The pieces put where they belong, as a user of a source does. */
  get received(): Uint8Array {
    return joinPieces(this.outputs);
  }
}

export function joinPieces(outputs: readonly SourceOutput[]): Uint8Array {
  let bytes = new Uint8Array(0);
  for (const output of outputs) {
    if (output.type !== "piece") continue;
    const joined = new Uint8Array(output.offset + output.data.length);
    joined.set(bytes.subarray(0, output.offset));
    joined.set(output.data, output.offset);
    bytes = joined;
  }
  return bytes;
}

export const head = (status: number, headers: Record<string, string> = {}): HostAnswer => ({
  type: "head",
  status,
  headers,
});
export const body = (data: Uint8Array): HostAnswer => ({ type: "body", data });
export const END: HostAnswer = { type: "end" };
export const failed = (code: string): HostAnswer => ({ type: "failed", code, reason: "as the test wants it" });
