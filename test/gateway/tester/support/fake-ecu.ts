import { LinkError } from "../../../../emulator/kernel/errors.ts";
import { Prng } from "../../../../emulator/kernel/prng.ts";
import { Pump } from "../../../../emulator/kernel/pump.ts";
import { Scheduler } from "../../../../emulator/kernel/scheduler.ts";
import { type Duration, type Instant, ms, plus } from "../../../../emulator/kernel/time.ts";
import { encodeImageHeader } from "../../../../emulator/wire/image-header.ts";
import { toHex } from "../../../../emulator/wire/text.ts";
import {
  EcuUpdater,
  type UpdaterConfig,
  type UpdaterInput,
  type UpdaterOutput,
} from "../../../../gateway/tester/ecu-updater.ts";
import { bytes } from "./driven.ts";

/** What a fake ECU does with a request: answers, in hex and in order; or its gateway refuses, or is lost. */
export type Reply = string | readonly string[] | typeof SILENCE | { readonly refused: number } | typeof LOST;
export const SILENCE = { type: "silence" } as const;
export const LOST = { type: "lost" } as const;

/**
 * What it does otherwise than a good ECU. `request` in hex, `occurrence` counts equal requests from 1; undefined: as a
 * good ECU does.
 */
export type Script = (request: string, occurrence: number, ecu: FakeEcu) => Reply | undefined;

const KEY = "1e16e3a3";

/** A header page and code, not signed: nobody here looks at that. */
export function imageOf(length = 2500, ecu = "ECU_011", hardware = 0x010000): Uint8Array {
  const code = new Prng("image").bytes(length);
  const fields = { version: 0x020000, buildTime: 0, securityCounter: 1, ecu, hardwareVersion: hardware };
  const header = encodeImageHeader({ ...fields, digest: new Uint8Array(32), signatureAlgorithm: 1 }, code);
  return Uint8Array.of(...(header as { page: Uint8Array }).page, ...code);
}

const textOf = (text: string): string => toHex(new TextEncoder().encode(text));

/** An updater, and an ECU at the other end of its link that does as it is told. Answers come at once. */
export class FakeEcu {
  readonly timeline = new Scheduler();
  readonly updater: EcuUpdater;
  /** Every request, in hex. */
  requests: string[] = [];
  readonly times: Instant[] = [];
  /** What the updater said, requests left out. */
  said: UpdaterOutput[] = [];
  session = 1;
  version = "1.0.0";
  /** What it runs after the next reset. */
  nextVersion: string | undefined;
  /** Data lengths of the blocks of the current download. */
  blocks: number[] = [];
  /** The reply to that request, counted from 1, is put into `held` instead of being given. */
  holdAt = 0;
  held: Reply = SILENCE;
  readonly #pump: Pump<UpdaterInput, UpdaterOutput>;
  #script: Script;

  constructor(script: Script = () => undefined, config: Partial<UpdaterConfig> = {}) {
    this.#script = script;
    this.updater = new EcuUpdater({
      ecu: "ECU_011",
      memory: { address: 0x800d2000, size: 0x10000 },
      seedKey: "tc375Bootloader",
      fingerprint: bytes("261121010203040506"),
      ...config,
    });
    this.#pump = new Pump(this.updater, this.timeline, (output: UpdaterOutput) => this.#deliver(output));
  }

  /** Runs one command to its end, and answers that. */
  do(input: UpdaterInput, limit: Duration = ms(3_600_000)): UpdaterOutput {
    const before = this.ended.length;
    this.push(input);
    const end = plus(this.timeline.now, limit);
    while (this.ended.length === before) {
      if (this.timeline.now > end || !this.timeline.step()) throw new Error("it never ended");
    }
    return this.ended[before] as UpdaterOutput;
  }

  push(input: UpdaterInput): void {
    this.#pump.push(input);
  }

  run(span: Duration): void {
    this.timeline.runUntil(plus(this.timeline.now, span));
  }

  /** Becomes what another one is now, its updater included. */
  become(other: FakeEcu): void {
    const { session, version, nextVersion } = other;
    Object.assign(this, { session, version, nextVersion, blocks: [...other.blocks] });
    this.timeline.runUntil(other.timeline.now);
    this.updater.load(other.updater.save());
    this.#pump.settle();
  }

  get ended(): readonly UpdaterOutput[] {
    return this.said.filter(({ type }) => type !== "progress" && type !== "noted");
  }

  /** The requests, cut to their first bytes. */
  short(length = 2): string[] {
    return this.requests.map((request) => request.slice(0, 2 * length));
  }

  count(prefix: string): number {
    return this.requests.filter((request) => request.startsWith(prefix)).length;
  }

  #deliver(output: UpdaterOutput): void {
    if (output.type !== "transmit") {
      this.said.push(output);
      return;
    }
    const request = toHex(output.data);
    this.requests.push(request);
    this.times.push(this.timeline.now);
    const reply = this.#script(request, this.count(request), this) ?? this.#good(request);
    if (this.requests.length === this.holdAt) this.held = reply;
    else this.give(reply);
  }

  /** Hands a reply to the updater. */
  give(reply: Reply): void {
    if (typeof reply === "string" || !("type" in reply || "refused" in reply)) {
      this.push({ type: "acknowledged" });
      for (const answer of typeof reply === "string" ? [reply] : reply) {
        this.push({ type: "received", data: bytes(answer) });
      }
    } else if ("refused" in reply) {
      this.push({ type: "refused", code: reply.refused });
    } else if (reply.type === "lost") {
      this.push({ type: "lost", error: new LinkError("DOIP_CLOSED", "the connection ended: reset") });
    } else {
      this.push({ type: "acknowledged" });
    }
  }

  /** What an ECU without faults does. */
  #good(request: string): Reply {
    const sid = request.slice(0, 2);
    switch (sid) {
      case "10":
        this.session = Number.parseInt(request.slice(2), 16);
        return `50${request.slice(2)}003201f4`;
      case "11":
        this.session = 1;
        this.version = this.nextVersion ?? this.version;
        return "5101";
      case "22":
        return this.#read(request.slice(2));
      case "27":
        if (request === "2701") return "670112345678";
        return request === `2702${KEY}` ? "6702" : "7f2735";
      case "28":
        return `68${request.slice(2, 4)}`;
      case "85":
        return `c5${request.slice(2)}`;
      case "2e":
        return "6ef15b";
      case "31":
        return `71${request.slice(2, 8)}00`;
      case "34":
        this.blocks = [];
        return "74200402"; // 1026: 1024 bytes of data
      case "36":
        this.blocks.push(request.length / 2 - 2);
        return `76${request.slice(2, 4)}`;
      case "37":
        return "77";
      default:
        return SILENCE; // 3E 80
    }
  }

  #read(did: string): string {
    switch (did) {
      case "f186":
        return `62f1860${this.session}`;
      case "f18c":
        return `62f18c${textOf("SN-0042")}0000`;
      case "f193":
        return `62f193${textOf("1.0.0")}`;
      case "f195":
        return `62f195${textOf(this.version)}`;
      default:
        return "7f2231";
    }
  }
}
