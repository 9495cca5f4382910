import type { CanLink } from "../bus/link.ts";
import { SharedCanLink, type SharedCanLinkState } from "../bus/shared-can-link.ts";
import type { IsoTpChannel, IsoTpListener } from "../isotp/config.ts";

import { IsoTpNode, type IsoTpNodeState } from "../isotp/isotp-node.ts";
import type { Crypto } from "../kernel/crypto.ts";
import type { Stateful } from "../kernel/machine.ts";
import type { Prng } from "../kernel/prng.ts";
import { Pump } from "../kernel/pump.ts";
import type { Timeline } from "../kernel/timeline.ts";
import type { Tracer } from "../kernel/trace.ts";
import type { CanFrame } from "../wire/can-frame.ts";
import type { Behaviour } from "./behaviours.ts";
import type { BootMetadata } from "./boot-metadata.ts";
import type { EcuConfig } from "./config.ts";
import { EcuCore, type EcuCoreState, type EcuInput, type EcuOutput, type Provision } from "./ecu-core.ts";
import type { Running } from "./image-area.ts";
import { periodicFrame } from "./periodic-frame.ts";
import { UnsegmentedSender, type UnsegmentedSenderState } from "./unsegmented-sender.ts";

export interface VirtualEcuParts {
  readonly timeline: Timeline;
  readonly tracer: Tracer;
  readonly crypto: Crypto;
  /** Its own: seeds, and how flash is torn. */
  readonly prng: Prng;
  /** Its place on the bus, switched with the ECU's power. */
  readonly link: CanLink;
}

export interface VirtualEcuState {
  readonly core: EcuCoreState;
  readonly node: IsoTpNodeState;
  readonly unsegmented: UnsegmentedSenderState;
  /** Only where the application has messages of its own. */
  readonly shared?: SharedCanLinkState;
}

/** One ECU on a CAN bus. It is built without power; see {@link provision} and {@link powerOn}. */
export class VirtualEcu implements Stateful<VirtualEcuState> {
  readonly name: string;
  readonly #config: EcuConfig;
  readonly #unsegmented: UnsegmentedSender;
  readonly #core: EcuCore;
  readonly #pump: Pump<EcuInput, EcuOutput>;
  readonly #node: IsoTpNode;
  readonly #channel: IsoTpChannel;
  readonly #shared: SharedCanLink | undefined;
  readonly #application: CanLink | undefined;

  constructor(config: EcuConfig, { timeline, tracer, crypto, prng, link }: VirtualEcuParts) {
    this.name = config.name;
    this.#config = config;
    const { cyclic, supervised } = config.messages;
    this.#shared = cyclic.length + supervised.length > 0 ? new SharedCanLink(link, timeline) : undefined;
    this.#application = this.#shared?.port();
    this.#unsegmented = new UnsegmentedSender(this.#shared?.port() ?? link, config.data.limits.periodicIdentifiersMax);
    this.#core = new EcuCore(config, { tracer, crypto, prng });
    this.#pump = new Pump(this.#core, timeline, (output) => this.#deliver(output));
    this.#node = new IsoTpNode(config.name, this.#unsegmented, timeline, tracer);
    const listener: IsoTpListener = {
      begun: () => this.#pump.push({ type: "receiving" }),
      message: (data, functional) => this.#pump.push({ type: "request", data, functional }),
      sent: () => this.#pump.push({ type: "sent" }),
      failed: (direction) => this.#pump.push({ type: direction === "sending" ? "sent" : "receptionFailed" }),
    };
    this.#channel = this.#node.open(config.isotp, listener, this.#core.transportFaults);
    this.#application?.attach({
      received: (frame) => this.#pump.push({ type: "frame", frame }),
      transmitted: () => undefined,
      aborted: () => undefined,
    });
    this.#setActive(false);
  }

  get powered(): boolean {
    return this.#core.powered;
  }

  /** What runs; undefined while the ECU is off or starting. Bank "none" is the bootloader. */
  get running(): Running | undefined {
    return this.#core.running;
  }

  get metadata(): BootMetadata {
    return this.#core.metadata;
  }

  /** A copy of flash cells. @param address physical */
  readFlash(address: number, length: number): Uint8Array {
    return this.#core.readFlash(address, length);
  }

  /**
   * In the factory: puts an image (header page and code) into bank A as the one to run.
   * @throws {UsageError} while the ECU has power, or when the image is larger than the bank
   */
  provision(image: Uint8Array, settings?: Provision): void {
    this.#core.provision(image, settings);
  }

  /** Harmless while it has power. */
  powerOn(): void {
    this.#pump.push({ type: "powerOn" });
  }

  /** At any instant: what is in RAM or on its way is gone, what flash is doing is torn. Harmless while it has none. */
  powerOff(): void {
    this.#pump.push({ type: "powerOff" });
  }

  /** A test that is not the ECU's own has ended, for one of its DTCs. Harmless while it has no power. */
  report(dtc: number, failed: boolean): void {
    this.#pump.push({ type: "tested", dtc, failed });
  }

  /** The voltage at its terminals from now on. @param millivolts an integer from 0 */
  setSupply(millivolts: number): void {
    this.#pump.push({ type: "supply", millivolts });
  }

  /** One more misbehaviour from now on. */
  misbehave(behaviour: Behaviour): void {
    this.#core.misbehave(behaviour);
  }

  save(): VirtualEcuState {
    const shared = this.#shared?.save();
    return {
      core: this.#core.save(),
      node: this.#node.save(),
      unsegmented: this.#unsegmented.save(),
      ...(shared === undefined ? {} : { shared }),
    };
  }

  load(state: VirtualEcuState): void {
    this.#core.load(state.core);
    this.#node.load(state.node);
    this.#unsegmented.load(state.unsegmented);
    if (state.shared !== undefined) this.#shared?.load(state.shared);
  }

  #deliver(output: EcuOutput): void {
    if (output.type === "respond") {
      this.#channel.send(output.data);
      return;
    }
    if (output.type === "periodic") {
      this.#unsegmented.send(periodicFrame(output.data, this.#config));
      return;
    }
    if (output.type === "broadcast") {
      this.#broadcast(output.frame);
      return;
    }
    this.#node.reset();
    this.#setActive(output.powered);
  }

  /** A message whose predecessor has not got onto the bus yet is left out. */
  #broadcast(frame: CanFrame): void {
    if (this.#shared?.isWaiting(frame) === false) this.#application?.transmit(frame);
  }

  #setActive(active: boolean): void {
    this.#unsegmented.setActive(active);
  }
}
