import { Prng } from "../../../../emulator/kernel/prng.ts";
import { Pump } from "../../../../emulator/kernel/pump.ts";
import { type Duration, type Instant, NO_TIME, plus } from "../../../../emulator/kernel/time.ts";
import { World } from "../../../../emulator/kernel/world.ts";
import { defaultUdsConfig, type UdsConfig } from "../../../../emulator/uds/config.ts";
import {
  type DidRule,
  DONE,
  type Misbehaviour,
  type RequestFacts,
  type RoutineRule,
  refused,
  type UdsHost,
  type Work,
} from "../../../../emulator/uds/host.ts";
import type { SecurityHost } from "../../../../emulator/uds/host-security.ts";
import { type UdsInput, type UdsOutput, UdsServer } from "../../../../emulator/uds/uds-server.ts";
import { fromHex, toHex } from "../../../../emulator/wire/text.ts";
import { nodeCrypto } from "../../../../hil/crypto/node-crypto.ts";

const bytes = (hex: string): Uint8Array => fromHex(hex.replaceAll(" ", "")) as Uint8Array;
const hex = (data: Uint8Array): string => toHex(data).replaceAll(/(..)(?!$)/g, "$1 ");

/** Counts keys without remembering them over anything. */
class ScriptedSecurity implements SecurityHost {
  readonly #config: UdsConfig;
  #attempts = 0;
  delayUntil: Instant | undefined;

  constructor(config: UdsConfig) {
    this.#config = config;
  }

  keyReceived(right: boolean, now: Instant): Work {
    this.#attempts = right ? 0 : this.#attempts + 1;
    if (right) return DONE;
    if (this.#attempts < this.#config.securityAttemptsMax) return refused(0x35);
    this.#attempts = 0;
    this.delayUntil = plus(now, this.#config.securityDelay);
    return refused(0x36);
  }
}

const EVERYWHERE = { sessions: [1, 2, 3], unlocked: false } as const;

/** A host that does nothing but take `busyFor` for it, and remembers what it was asked. */
class ScriptedHost implements UdsHost {
  readonly dids = new Map<number, DidRule>([
    [0xf186, { read: EVERYWHERE }],
    [0xf190, { read: EVERYWHERE }],
    [0xf195, { read: EVERYWHERE }],
    [0xf1a0, { read: { sessions: [3], unlocked: false } }],
    [0xf1a1, { read: { sessions: [1, 2, 3], unlocked: true } }],
    [0xf1a2, { read: EVERYWHERE }],
    [0xf15b, { write: { sessions: [2], unlocked: true, lengthMin: 1, lengthMax: 4 } }],
  ]);
  readonly routines = new Map<number, RoutineRule>([
    [0x0203, { sessions: [2, 3], unlocked: false, types: [1], download: "refused" }],
    [0xff00, { sessions: [2], unlocked: true, types: [1], download: "ends" }],
    [0xff01, { sessions: [2], unlocked: true, types: [1, 3], download: "refused" }],
  ]);
  readonly data = new Map([
    [0xf190, new TextEncoder().encode("KMHXX00XXXX000001")],
    [0xf195, new TextEncoder().encode("1.0.0")],
    [0xf1a0, Uint8Array.of(0xa0)],
    [0xf1a1, Uint8Array.of(0xa1)],
    [0xf1a2, new Uint8Array(3000)],
  ]);
  readonly security: ScriptedSecurity;
  readonly secrets = { crypto: nodeCrypto, random: (length: number) => this.#prng.bytes(length) };
  readonly #prng = new Prng("scripted host");
  readonly calls: string[] = [];
  busyFor: Duration = NO_TIME;
  outcome: Work = DONE;
  misbehaviour: Misbehaviour | undefined;
  seeds = [0x12345678];

  constructor(config: UdsConfig) {
    this.security = new ScriptedSecurity(config);
  }

  readData(did: number): Uint8Array | undefined {
    return this.data.get(did);
  }

  writeData(did: number, data: Uint8Array, now: Instant): Work {
    return this.#work(`write ${did.toString(16)} ${hex(data)}`, now);
  }

  startRoutine(rid: number, option: Uint8Array, now: Instant): Work {
    return this.#work(`routine ${rid.toString(16)} ${hex(option)}`.trim(), now);
  }

  requestDownload(address: number, size: number, now: Instant): Work {
    return this.#work(`download ${address.toString(16)} ${size.toString(16)}`, now);
  }

  transferData(offset: number, data: Uint8Array, now: Instant): Work {
    return this.#work(`data ${offset} ${hex(data)}`, now);
  }

  transferExit(now: Instant): Work {
    return this.#work("exit", now);
  }

  prepareReset(now: Instant): Work {
    return this.#work("reset", now);
  }

  resume(): Work {
    return this.outcome;
  }

  seed(): number {
    return this.seeds.shift() ?? 0x0badf00d;
  }

  misbehave(_facts: RequestFacts): Misbehaviour | undefined {
    return this.misbehaviour;
  }

  #work(call: string, now: Instant): Work {
    this.calls.push(call);
    return this.busyFor > 0 ? { type: "busy", until: (now + this.busyFor) as Instant } : this.outcome;
  }
}

/** A server without ECU and bus. */
export class ServerBench {
  readonly world = new World();
  readonly host: ScriptedHost;
  readonly server: UdsServer;
  readonly responses: string[] = [];
  readonly responseTimes: Instant[] = [];
  readonly resets: number[] = [];
  readonly downTimes: Duration[] = [];
  confirmsAtOnce = true;
  readonly #pump: Pump<UdsInput, UdsOutput>;

  constructor(config: Partial<UdsConfig> = {}) {
    const whole = defaultUdsConfig(config);
    this.host = new ScriptedHost(whole);
    this.server = new UdsServer("ECU", whole, this.host, this.world.trace);
    this.world.add("server", this.server);
    this.#pump = new Pump(this.server, this.world.timeline, (output) => this.#deliver(output));
  }

  get now(): Instant {
    return this.world.timeline.now;
  }

  /** In the session that the test wants, unlocked if it says so. */
  static in(session: "default" | "extended" | "programming", unlocked = false, config: Partial<UdsConfig> = {}) {
    const bench = new ServerBench(config);
    if (session !== "default") bench.ask("10 03");
    if (session === "programming") bench.ask("10 02");
    if (unlocked) bench.unlock();
    return bench;
  }

  unlock(): string {
    this.host.seeds = [0x12345678];
    this.ask("27 01");
    return this.ask("27 02 1e 16 e3 a3"); // key-01: TC375 bootloader
  }

  /** What is given back at once: one response, "" for none, several with commas between. */
  ask(request: string, functional = false): string {
    const from = this.responses.length;
    this.#pump.push({ type: "request", data: bytes(request), functional });
    return this.responses.slice(from).join(", ");
  }

  push(input: UdsInput): void {
    this.#pump.push(input);
  }

  after(span: Duration): void {
    this.world.timeline.runUntil((this.now + span) as Instant);
  }

  #deliver(output: UdsOutput): void {
    if (output.type === "reset") {
      this.resets.push(output.resetType);
      this.downTimes.push(output.downTime);
      return;
    }
    this.responses.push(hex(output.data));
    this.responseTimes.push(this.now);
    if (this.confirmsAtOnce) this.#pump.push({ type: "sent" });
  }
}

export const randomRequest = (prng: Prng): Uint8Array => {
  const sids = [0x10, 0x11, 0x22, 0x27, 0x2e, 0x31, 0x34, 0x36, 0x37, 0x3e];
  const data = prng.bytes(1 + prng.below(12));
  if (prng.below(8) > 0) data[0] = sids[prng.below(sids.length)] as number;
  if (data.length > 1 && prng.below(2) === 0) data[1] = prng.below(4);
  return data;
};
