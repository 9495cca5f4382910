import { defaultEcuConfig, type EcuConfig } from "../../../../emulator/ecu/config.ts";
import { EcuCore, type EcuInput, type EcuOutput } from "../../../../emulator/ecu/ecu-core.ts";
import type { ImageKind } from "../../../../emulator/ecu/image-check.ts";
import { classicIsoTp } from "../../../../emulator/isotp/defaults.ts";
import { Prng } from "../../../../emulator/kernel/prng.ts";
import { Pump } from "../../../../emulator/kernel/pump.ts";
import { type Duration, type Instant, ms, s, toMs } from "../../../../emulator/kernel/time.ts";
import type { TraceEventOf } from "../../../../emulator/kernel/trace.ts";
import type { TraceEventType } from "../../../../emulator/kernel/trace-events.ts";
import { World } from "../../../../emulator/kernel/world.ts";
import { seedKey } from "../../../../emulator/wire/seed-key.ts";
import { fromHex, toHex } from "../../../../emulator/wire/text.ts";
import { nodeCrypto } from "../../../../hil/crypto/node-crypto.ts";
import { seededP256Key } from "../../../../hil/crypto/seeded-keys.ts";
import { type SigningKey, signingKey } from "../../../../hil/crypto/signing-key.ts";
import { buildImage } from "../../../../hil/release/build-image.ts";

export const IMAGE_KEY: SigningKey = signingKey(seededP256Key("ecu tests", "image"));
export const OTHER_KEY: SigningKey = signingKey(seededP256Key("ecu tests", "somebody else"));
export const ADDRESS = classicIsoTp({ txId: 0x7e8, rxId: 0x7e0, extended: false, functionalRxId: 0x7df });

const KIB = 1024;
const WINDOW = 0x800d2000;

/** The family's ECU with small banks and quick flash, so that a test takes milliseconds. */
export function smallEcu(overrides: Partial<Parameters<typeof defaultEcuConfig>[0]> = {}): EcuConfig {
  return defaultEcuConfig({
    name: "ECU_011",
    isotp: ADDRESS,
    imagePublicKey: IMAGE_KEY.publicKey,
    codeFlash: {
      address: WINDOW,
      size: 64 * KIB,
      sectorSize: 8 * KIB,
      pageSize: 32,
      sectorEraseTime: ms(250),
      pageProgramTime: ms(5 / 16),
    },
    banks: { window: WINDOW, address: { A: WINDOW, B: WINDOW + 32 * KIB }, size: 32 * KIB },
    ...overrides,
  });
}

export const BOOT_WINDOW = 0x80040000;

/** The same with a bootloader that can be updated. */
export const smallEcuWithBootloader = (overrides: Parameters<typeof smallEcu>[0] = {}): EcuConfig => {
  const own = smallEcu();
  return smallEcu({
    bootloader: {
      flash: { ...own.codeFlash, address: BOOT_WINDOW, size: 32 * KIB },
      banks: { window: BOOT_WINDOW, address: { A: BOOT_WINDOW, B: BOOT_WINDOW + 16 * KIB }, size: 16 * KIB },
      dataFlash: { ...own.dataFlash, address: 0xaf008000 },
      rom: ms(10),
    },
    ...overrides,
  });
};

export const code = (seed: string, length = 3000): Uint8Array => new Prng(seed).bytes(length);

export interface ImageOptions {
  readonly ecu?: string;
  readonly hardwareVersion?: string;
  readonly securityCounter?: number;
  readonly code?: Uint8Array;
  readonly key?: SigningKey;
  readonly kind?: ImageKind;
}

export function image(version: string, options: ImageOptions = {}): Uint8Array {
  const { key = IMAGE_KEY, ...rest } = options;
  const description = { ecu: "ECU_011", hardwareVersion: "1.0.0", buildTime: 1_790_000_000, code: code(version) };
  return buildImage({ ...description, version, ...rest }, key);
}

export const bytes = (hex: string): Uint8Array => fromHex(hex.replaceAll(" ", "")) as Uint8Array;
export const hex = (data: Uint8Array): string => toHex(data).replaceAll(/(..)(?!$)/g, "$1 ");
export const uint32 = (value: number): string => value.toString(16).padStart(8, "0");

/** One ECU without a bus in a world of its own: requests go in, responses come out at once. */
export class EcuBench {
  readonly world = new World();
  readonly config: EcuConfig;
  readonly core: EcuCore;
  readonly responses: string[] = [];
  readonly resets: boolean[] = [];
  /** When, in ns, and what. */
  readonly periodic: string[] = [];
  /** Messages of the application: when, and what. */
  readonly broadcasts: string[] = [];
  /** Responses are confirmed as sent as soon as they are given; else {@link confirm} does it. */
  confirmsAtOnce = true;
  /** Called before time moves to the next alarm. */
  beforeStep: (next: Instant) => void = () => undefined;
  readonly #pump: Pump<EcuInput, EcuOutput>;

  constructor(config: EcuConfig = smallEcu(), seed = "ecu bench") {
    this.config = config;
    const parts = { tracer: this.world.trace, crypto: nodeCrypto, prng: new Prng(seed) };
    this.core = this.world.add("ecu", new EcuCore(config, parts));
    this.#pump = new Pump(this.core, this.world.timeline, (output) => this.#deliver(output));
  }

  get now(): Instant {
    return this.world.timeline.now;
  }

  /** The ECU as it leaves the factory, started. */
  static running(config: EcuConfig = smallEcu(), version = "1.0.0", options: ImageOptions = {}): EcuBench {
    const bench = new EcuBench(config);
    bench.core.provision(image(version, options));
    bench.powerOn();
    return bench;
  }

  powerOn(): void {
    this.#pump.push({ type: "powerOn" });
    this.untilRunning();
  }

  powerOff(): void {
    this.#pump.push({ type: "powerOff" });
  }

  push(input: EcuInput): void {
    this.#pump.push(input);
  }

  confirm(): void {
    this.#pump.push({ type: "sent" });
  }

  after(span: Duration): void {
    const end = (this.now + span) as Instant;
    for (let next = this.world.timeline.next; next !== undefined && next <= end; next = this.world.timeline.next) {
      this.#step(next);
    }
    this.world.timeline.runUntil(end);
  }

  untilRunning(): void {
    while (this.core.running === undefined) this.#step(this.world.timeline.next as Instant);
  }

  /** Sends a request; answers everything that comes back at once, as hex texts. */
  send(request: string, functional = false): readonly string[] {
    const from = this.responses.length;
    this.#pump.push({ type: "request", data: bytes(request), functional });
    return this.responses.slice(from);
  }

  /** Sends a request and waits for the final response; the 0x78 before it are left out. */
  ask(request: string, limit: Duration = s(120)): string {
    const from = this.responses.length;
    this.#pump.push({ type: "request", data: bytes(request), functional: false });
    const end = this.now + limit;
    for (;;) {
      const final = this.responses.slice(from).find((response) => !/^7f .. 78$/.test(response));
      if (final !== undefined) return final;
      const next = this.world.timeline.next;
      if (next === undefined || next > end) return "no response";
      this.#step(next);
    }
  }

  /** Gets security access in the session that is active. */
  unlock(): string {
    const seed = this.ask("27 01");
    const key = seedKey(this.config.uds.seedKey, Number.parseInt(seed.slice(6).replaceAll(" ", ""), 16));
    return this.ask(`27 02 ${uint32(key)}`);
  }

  /** Programming session with security access. */
  enterProgramming(): void {
    this.ask("10 03");
    this.ask("10 02");
    this.unlock();
  }

  /** Erase, download and exit. Stops at the first answer that is not positive, and gives the last answer. */
  download(data: Uint8Array, blockLength = 1024, window = WINDOW): string {
    const range = `44 ${uint32(window)} ${uint32(data.length)}`;
    let answer = this.ask(`31 01 ff 00 ${range}`);
    if (answer !== "71 01 ff 00 00") return answer;
    answer = this.ask(`34 00 ${range}`);
    if (!answer.startsWith("74")) return answer;
    for (let offset = 0, counter = 1; offset < data.length; offset += blockLength, counter++) {
      const octet = (counter & 0xff).toString(16).padStart(2, "0");
      answer = this.ask(`36 ${octet} ${toHex(data.subarray(offset, offset + blockLength))}`);
      if (answer !== `76 ${octet}`) return answer;
    }
    return this.ask("37");
  }

  /** A whole update up to and with the reset; gives the version that the ECU answers then. */
  update(data: Uint8Array, window = WINDOW): string {
    this.enterProgramming();
    const answers = [
      this.download(data, 1024, window),
      this.ask("31 01 ff 02"),
      this.ask("31 01 ff 01"),
      this.ask("11 01"),
    ];
    this.untilRunning();
    return [...answers, this.version()].join(", ");
  }

  /** What F195 says now; "no response" while the ECU starts. */
  version(): string {
    const answer = this.ask("22 f1 95");
    return answer.startsWith("62") ? new TextDecoder().decode(bytes(answer).subarray(3)) : answer;
  }

  /** The version of the bootloader that F180 names. */
  bootVersion(): string {
    return new TextDecoder().decode(bytes(this.ask("22 f1 80")).subarray(4));
  }

  events<Type extends TraceEventType>(type: Type): TraceEventOf<Type>[] {
    const found: TraceEventOf<Type>[] = [];
    for (const event of this.world.trace.events()) if (event.type === type) found.push(event as TraceEventOf<Type>);
    return found;
  }

  #step(next: Instant): void {
    this.beforeStep(next);
    this.world.timeline.step();
  }

  #deliver(output: EcuOutput): void {
    if (output.type === "transportReset") {
      this.resets.push(output.powered);
      return;
    }
    if (output.type === "periodic") {
      this.periodic.push(`${this.now} ${hex(output.data)}`);
      return;
    }
    if (output.type === "broadcast") {
      const { id, data } = output.frame;
      this.broadcasts.push(`${toMs(this.now)} ${id.toString(16)} ${hex(data)}`);
      return;
    }
    this.responses.push(hex(output.data));
    if (this.confirmsAtOnce) this.#pump.push({ type: "sent" });
  }
}

export const UPDATED = "77, 71 01 ff 02 00, 71 01 ff 01 00, 51 01";
