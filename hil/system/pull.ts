import { createHash } from "node:crypto";
import { rmSync, writeFileSync } from "node:fs";
import { type BenchError, LinkError } from "../../emulator/kernel/errors.ts";
import { Pump } from "../../emulator/kernel/pump.ts";
import { Scheduler } from "../../emulator/kernel/scheduler.ts";
import type { Instant } from "../../emulator/kernel/time.ts";
import type { HostAnswer } from "../../gateway/source/host-request.ts";
import type { Inventory, Offer, SourceInput, SourceOutput } from "../../gateway/source/update-source.ts";
import { HostGate } from "../bench/host-gate.ts";
import { RealClock } from "../clock/real-clock.ts";
import { checkSignature } from "./check-signature.ts";
import { makeDriver } from "./drivers.ts";
import { PartFile } from "./part-file.ts";
import type { DeviceTrust, UpdateSystem } from "./update-system.ts";

export interface PullOptions {
  readonly trust: DeviceTrust;
  /** Who may have signed the file, SubjectPublicKeyInfo, DER; left out: anybody and nobody. */
  readonly signer?: Uint8Array;
  /** What is told to the server of the device. */
  readonly inventory: Inventory;
  /** File to write; its signature goes beside it, with ".sig". */
  readonly out: string;
  /** Aborted: the pull ends, and what has come is kept. */
  readonly stop?: AbortSignal;
  /** What the device shows to whoever confirms its join. */
  readonly onShow?: (value: string) => void;
  readonly onProgress?: (received: number, total: number | undefined) => void;
  /** An exchange came to nothing, and is begun again in a while. */
  readonly onRetry?: (code: string, reason: string) => void;
}

type LookOptions = Pick<PullOptions, "trust" | "inventory" | "stop" | "onRetry">;

/** What came of a pull. */
export interface PullReport {
  readonly system: string;
  readonly peer: string;
  /** "upToDate": the server has nothing for this device. */
  readonly verdict: "pulled" | "upToDate";
  readonly release?: string;
  /** What the server names the content by. */
  readonly validator?: string;
  readonly file?: string;
  readonly size?: number;
  readonly sha256?: string;
  /** Somebody who may has signed it. */
  readonly verified: boolean;
  /** The byte that the pull began at: what an earlier one had brought. */
  readonly from: number;
  /** Bytes that came this time. */
  readonly bytes: number;
  readonly ms: number;
  /** Packets that the transport sent again; null where it does not tell. */
  readonly retransmissions: number | null;
  /** The server has nothing of the name that it was asked for, in its words. */
  readonly unknown?: string;
}

/**
 * The device side of an update system by itself, in real time: looks, fetches, checks the signature, writes the file.
 * A pull that was cut off goes on where it ended, also in another process.
 * @throws {BenchError} what the source says @throws {PackageError} when nobody who may has signed the file
 */
export async function pull(system: UpdateSystem, options: PullOptions): Promise<PullReport> {
  const puller = new Puller(system, options);
  try {
    return await puller.run();
  } finally {
    await puller.close();
  }
}

/** Only looks. @returns undefined when the server has nothing for this device @throws {BenchError} what the source says */
export async function lookFor(system: UpdateSystem, options: LookOptions): Promise<Offer | undefined> {
  const puller = new Puller(system, { ...options, out: "" });
  try {
    return await puller.look();
  } finally {
    await puller.close();
  }
}

const FOREVER = Number.MAX_SAFE_INTEGER as Instant;

class Puller {
  readonly #system: UpdateSystem;
  readonly #options: PullOptions;
  readonly #timeline = new Scheduler();
  readonly #driver;
  readonly #gate: HostGate;
  readonly #pump: Pump<SourceInput, SourceOutput>;
  #part: PartFile | undefined;
  #end: SourceOutput | undefined;
  #bytes = 0;

  constructor(system: UpdateSystem, options: PullOptions) {
    this.#system = system;
    this.#options = options;
    this.#driver = system.makeDriver?.(options.onShow) ?? makeDriver();
    this.#gate = new HostGate(this.#driver, new Map(), (request, answer) => this.#answered(request, answer));
    const source = system.makeSource(options.trust);
    this.#pump = new Pump(source, this.#timeline, (output) => this.#said(output));
  }

  async run(): Promise<PullReport> {
    const began = performance.now();
    const { name: system, peer } = this.#system;
    const looked = await this.#look();
    const report = (rest: Pick<PullReport, "verdict" | "verified" | "from"> & Partial<PullReport>): PullReport => {
      const retransmissions = this.#driver.retransmissions() ?? null;
      return { system, peer, bytes: this.#bytes, ms: Math.round(performance.now() - began), retransmissions, ...rest };
    };
    if (looked.type !== "offer") {
      const unknown = looked.type === "noOffer" && looked.unknown !== undefined ? { unknown: looked.unknown } : {};
      return report({ verdict: "upToDate", verified: false, from: 0, ...unknown });
    }
    const { offer } = looked;
    const { out: file } = this.#options;
    const { from, bytes } = await PartFile.alone(file, () => this.#fetch(offer));
    await this.#do({ type: "report", verdict: "updated", inventory: this.#options.inventory });
    const sha256 = createHash("sha256").update(bytes).digest("hex");
    const verified = this.#options.signer !== undefined;
    const { release, validator } = offer;
    const named = validator === undefined ? { release } : { release, validator };
    return report({ verdict: "pulled", ...named, file, size: bytes.length, sha256, verified, from });
  }

  async look(): Promise<Offer | undefined> {
    const looked = await this.#look();
    return looked.type === "offer" ? looked.offer : undefined;
  }

  #look(): Promise<SourceOutput> {
    return this.#do({ type: "look", inventory: this.#options.inventory });
  }

  async close(): Promise<void> {
    await this.#gate.close();
  }

  async #fetch(offer: Offer): Promise<{ from: number; bytes: Uint8Array }> {
    const part = new PartFile(this.#options.out, this.#system.server, offer);
    this.#part = part;
    const from = part.length;
    let isGood = false;
    let isWhole = false;
    try {
      const fetched = await this.#do({ type: "fetch", offer, from });
      if (fetched.type !== "fetched") throw new LinkError("PULL_STOPPED", "the pull was stopped");
      isWhole = true;
      const bytes = part.bytes();
      const { signer, out } = this.#options;
      if (signer !== undefined) checkSignature(bytes, fetched.signature, signer);
      // the file comes last: whoever finds it finds its signature too, and none of another file
      if (fetched.signature === undefined) rmSync(`${out}.sig`, { force: true });
      else writeFileSync(`${out}.sig`, fetched.signature.signature, { flush: true });
      isGood = true;
      return { from, bytes };
    } finally {
      if (isGood) part.finish();
      else if (isWhole) part.drop();
      else part.keep();
    }
  }

  /** @throws {BenchError} when it failed */
  async #do(input: SourceInput): Promise<SourceOutput> {
    this.#end = undefined;
    this.#pump.push(input);
    const { stop } = this.#options;
    let isCancelled = false;
    const over = (): boolean => {
      if (stop?.aborted === true && !isCancelled && this.#end === undefined) {
        isCancelled = true;
        this.#pump.push({ type: "cancel" });
      }
      return this.#end !== undefined;
    };
    await new RealClock().run(this.#timeline, this.#gate, over, FOREVER);
    const end = this.#end as SourceOutput | undefined;
    if (end === undefined) throw new LinkError("SOURCE_FAILED", "the source has gone silent");
    if (end.type === "failed") throw end.error satisfies BenchError;
    if (end.type === "cancelled") throw new LinkError("PULL_STOPPED", "the pull was stopped");
    return end;
  }

  #answered(request: number, answer: HostAnswer): void {
    this.#pump.push({ type: "answer", request, answer });
    if (answer.type === "failed" && this.#end === undefined) this.#options.onRetry?.(answer.code, answer.reason);
  }

  #said(output: SourceOutput): void {
    switch (output.type) {
      case "request":
        this.#gate.request(output.request, output.what);
        return;
      case "abandon":
        this.#gate.abandon(output.request);
        return;
      case "piece":
        this.#bytes += output.data.length;
        this.#part?.write(output.offset, output.data);
        this.#options.onProgress?.(output.offset + output.data.length, undefined);
        return;
      case "offer":
      case "noOffer":
      case "fetched":
      case "cancelled":
      case "reported":
      case "failed":
        this.#end = output;
    }
  }
}
