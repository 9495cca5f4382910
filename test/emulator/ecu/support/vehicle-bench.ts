import { VirtualCanBus } from "../../../../emulator/bus/virtual-can-bus.ts";
import { defaultEcuConfig, type EcuConfig } from "../../../../emulator/ecu/config.ts";
import { VirtualEcu } from "../../../../emulator/ecu/virtual-ecu.ts";
import type { IsoTpChannel, IsoTpConfig } from "../../../../emulator/isotp/config.ts";
import { IsoTpNode } from "../../../../emulator/isotp/isotp-node.ts";
import type { Stateful } from "../../../../emulator/kernel/machine.ts";
import { Prng } from "../../../../emulator/kernel/prng.ts";
import { type Duration, type Instant, s } from "../../../../emulator/kernel/time.ts";
import { World } from "../../../../emulator/kernel/world.ts";
import { seedKey } from "../../../../emulator/wire/seed-key.ts";
import { toHex } from "../../../../emulator/wire/text.ts";
import { nodeCrypto } from "../../../../hil/crypto/node-crypto.ts";
import { ADDRESS, bytes, hex, IMAGE_KEY, uint32 } from "./ecu-bench.ts";

interface TesterState {
  readonly script: readonly string[];
  readonly position: number;
  readonly answers: readonly string[];
  readonly seed: number;
}

/** Sends one request after the other; "key" is the key for the last seed. Its state is data. */
class ScriptTester implements Stateful<TesterState> {
  #script: readonly string[] = [];
  #position = 0;
  #answers: readonly string[] = [];
  #seed = 0;
  readonly #channel: IsoTpChannel;
  readonly #formula: EcuConfig["uds"]["seedKey"];

  constructor(node: IsoTpNode, isotp: IsoTpConfig, formula: EcuConfig["uds"]["seedKey"]) {
    this.#formula = formula;
    this.#channel = node.open(isotp, {
      message: (data) => this.#received(hex(data)),
      sent: () => undefined,
      failed: (direction, result) => this.#received(`${direction} failed: ${result}`),
    });
  }

  get answers(): readonly string[] {
    return this.#answers;
  }

  get done(): boolean {
    return this.#position >= this.#script.length;
  }

  begin(script: readonly string[]): void {
    this.#script = script;
    this.#position = 0;
    this.#answers = [];
    this.#next();
  }

  save(): TesterState {
    return { script: this.#script, position: this.#position, answers: this.#answers, seed: this.#seed };
  }

  load(state: TesterState): void {
    this.#script = state.script;
    this.#position = state.position;
    this.#answers = state.answers;
    this.#seed = state.seed;
  }

  #next(): void {
    const request = this.#script[this.#position];
    if (request === undefined) return;
    this.#channel.send(bytes(request === "key" ? `27 02 ${uint32(seedKey(this.#formula, this.#seed))}` : request));
  }

  #received(answer: string): void {
    if (/^7f .. 78$/.test(answer)) return;
    if (answer.startsWith("67 01")) this.#seed = Number.parseInt(answer.slice(6).replaceAll(" ", ""), 16);
    this.#answers = [...this.#answers, answer];
    this.#position++;
    this.#next();
  }
}

/** A bus with one family ECU, one bystander that acknowledges, and a tester. */
export class VehicleBench {
  readonly world = new World();
  readonly bus: VirtualCanBus;
  readonly ecu: VirtualEcu;
  readonly config: EcuConfig;
  readonly tester: ScriptTester;
  readonly testerNode: IsoTpNode;

  constructor(overrides: Partial<Parameters<typeof defaultEcuConfig>[0]> = {}, dataBitRate?: number) {
    const { timeline, trace } = this.world;
    const fd = dataBitRate === undefined ? {} : { dataBitRate };
    this.bus = this.world.add("can1", new VirtualCanBus({ name: "can1", bitRate: 500_000, ...fd }, timeline, trace));
    const given = { name: "ECU_011", isotp: ADDRESS, imagePublicKey: IMAGE_KEY.publicKey, ...overrides };
    this.config = defaultEcuConfig(given);
    const link = this.bus.join("ECU_011");
    const parts = { timeline, tracer: trace, crypto: nodeCrypto, prng: new Prng("ECU_011"), link };
    this.ecu = this.world.add("ECU_011", new VirtualEcu(this.config, parts));
    const node = this.world.add("tester node", new IsoTpNode("tester", this.bus.join("tester"), timeline, trace));
    this.testerNode = node;
    const { txId, rxId, extended } = this.config.isotp.address;
    const mine: IsoTpConfig = { ...this.config.isotp, address: { txId: rxId, rxId: txId, extended } };
    this.tester = this.world.add("tester", new ScriptTester(node, mine, this.config.uds.seedKey));
    this.bus.join("bystander");
  }

  get now(): Instant {
    return this.world.timeline.now;
  }

  after(span: Duration): void {
    this.world.timeline.runUntil((this.now + span) as Instant);
  }

  /** Runs the script to its end, or for `limit`, and gives the answers. */
  run(script: readonly string[], limit: Duration = s(300)): readonly string[] {
    this.tester.begin(script);
    return this.finish(limit);
  }

  finish(limit: Duration = s(300)): readonly string[] {
    const end = this.now + limit;
    const { timeline } = this.world;
    while (!this.tester.done && timeline.next !== undefined && timeline.next <= end) timeline.step();
    return this.tester.answers;
  }
}

/** Every request from the first session to the reset. */
export function updateScript(data: Uint8Array, blockLength = 4064): readonly string[] {
  const range = `44 800d2000 ${uint32(data.length)}`;
  const blocks: string[] = [];
  for (let offset = 0, counter = 1; offset < data.length; offset += blockLength, counter++) {
    const octet = (counter & 0xff).toString(16).padStart(2, "0");
    blocks.push(`36 ${octet} ${toHex(data.subarray(offset, offset + blockLength))}`);
  }
  const unlock = ["27 01", "key"];
  const open = ["10 03", ...unlock, "10 02", ...unlock, "2e f1 5b 20 26 11 21"];
  return [...open, `31 01 ff 00 ${range}`, `34 00 ${range}`, ...blocks, "37", "31 01 ff 02", "31 01 ff 01", "11 01"];
}
