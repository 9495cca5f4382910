import type { IsoTpFaults } from "../isotp/misbehaviour.ts";
import type { Crypto } from "../kernel/crypto.ts";
import { UsageError } from "../kernel/errors.ts";
import type { Machine, Stateful } from "../kernel/machine.ts";
import type { Prng, PrngState } from "../kernel/prng.ts";
import { type Duration, earliest, type Instant, NO_TIME, plus, RUN_START, toMs } from "../kernel/time.ts";
import type { Tracer } from "../kernel/trace.ts";
import { type UdsInput, UdsServer, type UdsServerState } from "../uds/uds-server.ts";
import type { CanFrame } from "../wire/can-frame.ts";
import { Did } from "../wire/uds.ts";
import { ApplicationMessages, type ApplicationMessagesState } from "./application-messages.ts";
import { type Behaviour, Behaviours } from "./behaviours.ts";
import type { BootMetadata } from "./boot-metadata.ts";
import type { BootChoice } from "./bootloader.ts";
import type { EcuConfig } from "./config.ts";
import { Dtc } from "./dtc-config.ts";
import { DtcMemory, type DtcMemoryState } from "./dtc-memory.ts";
import { EcuData, type EcuDataState } from "./ecu-data.ts";
import type { ImageArea, Running } from "./image-area.ts";
import { ImageAreas, type ImageAreasState } from "./image-areas.ts";
import { KeptRecords, type KeptRecordsState } from "./kept-records.ts";
import type { Phase } from "./phase.ts";
import { Programming, type ProgrammingState } from "./programming.ts";
import { COMMANDED, RESET_CAUSES, type ResetCause, SAME_CYCLE } from "./reset-cause.ts";
import { inrushAt, supplyRefusal } from "./supply.ts";

export type EcuInput =
  | UdsInput
  | { readonly type: "powerOn" }
  | { readonly type: "powerOff" }
  /** The voltage at its terminals is another one, mV. */
  | { readonly type: "supply"; readonly millivolts: number }
  /** A frame that is on the bus. */
  | { readonly type: "frame"; readonly frame: CanFrame }
  /** A test that is not the ECU's own has ended. Lost while it has no power. */
  | { readonly type: "tested"; readonly dtc: number; readonly failed: boolean };

export type EcuOutput =
  | { readonly type: "respond"; readonly data: Uint8Array }
  | { readonly type: "periodic"; readonly data: Uint8Array }
  /** A message of the application. */
  | { readonly type: "broadcast"; readonly frame: CanFrame }
  /** The ECU went off or began to start: nothing of what was on its way in or out is known to it any more. */
  | { readonly type: "transportReset"; readonly powered: boolean };

export interface EcuCoreState {
  readonly phase: Phase;
  readonly millivolts: number;
  readonly cause: ResetCause;
  readonly receiving: boolean;
  readonly outbox: readonly EcuOutput[];
  readonly server: UdsServerState;
  readonly programming: ProgrammingState;
  readonly areas: ImageAreasState;
  readonly kept: KeptRecordsState;
  readonly dtcs: DtcMemoryState;
  readonly data: EcuDataState;
  readonly messages: ApplicationMessagesState;
  readonly behaviours: ReturnType<Behaviours["save"]>;
  readonly prng: PrngState;
}

/** Factory settings that go with an image. */
export interface Provision {
  /** The anti-rollback counter of the application that the ECU leaves the factory with; 0 when left out. */
  readonly rollbackFloor?: number;
  /** The image of its bootloader; for an ECU whose bootloader can be updated. */
  readonly bootloader?: Uint8Array;
}

/** One ECU without its transport layer: power, start, application, and the UDS server that it answers with. */
export class EcuCore implements Machine<EcuInput, EcuOutput>, Stateful<EcuCoreState> {
  readonly #config: EcuConfig;
  readonly #tracer: Tracer;
  readonly #prng: Prng;
  readonly #areas: ImageAreas;
  readonly #kept: KeptRecords;
  readonly #dtcs: DtcMemory;
  readonly #data: EcuData;
  readonly #messages: ApplicationMessages;
  readonly #behaviours: Behaviours;
  readonly #programming: Programming;
  readonly #server: UdsServer;
  #phase: Phase = { name: "off" };
  #millivolts: number;
  /** Of the last start. */
  #cause: ResetCause = "powerOn";
  /** A longer request has begun to come. */
  #receiving = false;
  #outbox: EcuOutput[] = [];
  /** Of the last input or deadline: what is drained after it happens at that instant. */
  #now: Instant = RUN_START;

  constructor(config: EcuConfig, parts: { readonly tracer: Tracer; readonly crypto: Crypto; readonly prng: Prng }) {
    const { tracer, crypto, prng } = parts;
    this.#config = config;
    this.#millivolts = config.supply.nominal;
    this.#tracer = tracer;
    this.#prng = prng;
    this.#areas = new ImageAreas(config, crypto, tracer);
    this.#kept = new KeptRecords(config, tracer);
    this.#behaviours = new Behaviours(config.behaviours);
    this.#data = new EcuData(config.data, config.isotp.txDl);
    const own = { areas: this.#areas, behaviours: this.#behaviours, data: this.#data };
    const freeze = (did: number, now: Instant) => this.#frozen(did, now);
    this.#dtcs = new DtcMemory(config.name, config.dtcs, { tracer, freeze });
    this.#messages = new ApplicationMessages(config.messages, (dtc, failed, at) => this.#dtcs.report(dtc, failed, at));
    const more = { kept: this.#kept, dtc: this.#dtcs, messages: this.#messages };
    this.#programming = new Programming(config, { ...own, ...more, crypto, prng, tracer });
    this.#server = new UdsServer(config.name, config.uds, this.#programming, tracer);
  }

  get powered(): boolean {
    return this.#phase.name !== "off";
  }

  /** What runs; undefined while the ECU is off or starting. */
  get running(): Running | undefined {
    return this.#phase.name === "running" ? this.#areas.application.running : undefined;
  }

  /** The boot metadata as the ECU knows it. */
  get metadata(): BootMetadata {
    return this.#areas.application.metadata;
  }

  /** The bank of the bootloader that runs, its version, and its metadata; undefined where it can't be updated. */
  get bootloader(): { readonly running: Running; readonly metadata: BootMetadata } | undefined {
    return this.#areas.bootloader;
  }

  /** What the transport layer is to do wrong. */
  get transportFaults(): IsoTpFaults {
    return this.#behaviours;
  }

  /** A copy of flash cells, for those who look from outside. @param address physical */
  readFlash(address: number, length: number): Uint8Array {
    return this.#areas.holding(address).flash.read(address, length);
  }

  /**
   * In the factory: puts an image into bank A as the one to run.
   * @throws {UsageError} while the ECU has power, or when the image is larger than the bank
   */
  provision(image: Uint8Array, { rollbackFloor = 0, bootloader }: Provision = {}): void {
    const { name } = this.#config;
    if (this.powered) throw new UsageError(`${name} is provisioned while it has power`);
    this.#areas.application.provision(image, rollbackFloor);
    if (bootloader === undefined) return;
    if (this.#areas.bootloader === undefined) throw new UsageError(`${name} has no place for a bootloader`);
    this.#areas.bootloader.provision(bootloader, 0);
  }

  misbehave(behaviour: Behaviour): void {
    this.#behaviours.arm(behaviour);
  }

  handle(input: EcuInput, now: Instant): void {
    this.#now = now;
    if (input.type === "powerOn") this.#powerOn(now);
    else if (input.type === "powerOff") this.#powerOff(now);
    else if (input.type === "supply") this.#supply(input.millivolts, now);
    else if (input.type === "frame") this.#messages.received(input.frame, now);
    else if (input.type === "tested") this.#tested(input.dtc, input.failed, now);
    else if (this.#serving) this.#serve(input, now);
    this.#noticeHang(now);
  }

  handleDeadline(now: Instant): void {
    this.#now = now;
    this.#areas.handleDeadline(now);
    this.#kept.handleDeadline(now);
    this.#dtcs.handleDeadline(now);
    this.#messages.handleDeadline(now);
    this.#proceed(now);
    if (this.#serving) this.#server.handleDeadline(now);
    this.#noticeHang(now);
  }

  poll(): EcuOutput | undefined {
    const frame = this.#messages.poll();
    if (frame !== undefined) return { type: "broadcast", frame };
    return this.#outbox.shift() ?? (this.#serving ? this.#pollServer() : undefined);
  }

  nextDeadline(): Instant | undefined {
    const phase = this.#phase;
    const server = this.#serving ? this.#server.nextDeadline() : undefined;
    const stored = earliest(this.#areas.deadline, this.#dtcs.deadline, this.#messages.deadline);
    switch (phase.name) {
      case "off":
      case "held":
        return undefined;
      case "storing":
        return stored;
      case "halted":
        return earliest(phase.watchdogAt, stored);
      case "rom":
      case "bootloader":
      case "starting":
        return earliest(phase.until, stored);
      case "running": {
        const reset = earliest(phase.watchdogAt, this.#programming.trapAt);
        return earliest(phase.confirmAt, reset, stored, this.#kept.deadline, server);
      }
    }
  }

  save(): EcuCoreState {
    return {
      phase: this.#phase,
      millivolts: this.#millivolts,
      cause: this.#cause,
      receiving: this.#receiving,
      outbox: [...this.#outbox],
      server: this.#server.save(),
      programming: this.#programming.save(),
      areas: this.#areas.save(),
      kept: this.#kept.save(),
      dtcs: this.#dtcs.save(),
      data: this.#data.save(),
      messages: this.#messages.save(),
      behaviours: this.#behaviours.save(),
      prng: this.#prng.save(),
    };
  }

  load(state: EcuCoreState): void {
    this.#phase = state.phase;
    this.#millivolts = state.millivolts;
    this.#cause = state.cause;
    this.#receiving = state.receiving;
    this.#outbox = [...state.outbox];
    this.#server.load(state.server);
    this.#programming.load(state.programming);
    this.#areas.load(state.areas);
    this.#kept.load(state.kept);
    this.#dtcs.load(state.dtcs);
    this.#data.load(state.data);
    this.#messages.load(state.messages);
    this.#behaviours.load(state.behaviours);
    this.#prng.load(state.prng);
  }

  get #serving(): boolean {
    return this.#phase.name === "running" && !this.#phase.hung;
  }

  #tested(dtc: number, failed: boolean, now: Instant): void {
    if (this.powered) this.#dtcs.report(dtc, failed, now);
  }

  #serve(input: UdsInput, now: Instant): void {
    if (input.type === "receptionFailed") this.#dtcs.report(Dtc.MessageLost, true, now);
    if (input.type === "request" && this.#receiving) this.#dtcs.report(Dtc.MessageLost, false, now);
    if (input.type !== "sent") this.#receiving = input.type === "receiving";
    this.#server.handle(input, now);
  }

  #pollServer(): EcuOutput | undefined {
    const output = this.#server.poll();
    if (output?.type !== "reset") return output;
    this.#reset(COMMANDED[output.resetType], this.#now, output.downTime);
    return this.#outbox.shift();
  }

  #powerOn(now: Instant): void {
    if (this.powered) return;
    this.#tracer.record(now, this.#config.name, "ecu.power", { on: 1 });
    this.#cause = "powerOn";
    if (this.#millivolts < this.#config.supply.releaseAt) {
      this.#phase = { name: "held" };
      return;
    }
    this.#dtcs.open(true, now);
    this.#start(now);
  }

  #supply(millivolts: number, now: Instant): void {
    const { supply, name } = this.#config;
    this.#millivolts = millivolts;
    const held = this.#phase.name === "held";
    const released = held && millivolts >= supply.releaseAt;
    const inrush = released ? inrushAt(supply, millivolts) : 0;
    this.#tracer.record(now, name, "ecu.supply", { millivolts, inrush });
    this.#programming.supplyChanged(supplyRefusal(supply, millivolts), now);
    if (released) {
      this.#dtcs.open(true, now);
      this.#reportSupply(now);
      this.#start(now);
    } else if (!held && this.powered && millivolts < supply.resetBelow) {
      this.#cause = "undervoltage";
      this.#tracer.record(now, name, "ecu.reset", { cause: this.#cause });
      this.#forget(now);
      this.#phase = { name: "held" };
      this.#outbox = [{ type: "transportReset", powered: false }];
    } else if (this.powered && !held) {
      this.#reportSupply(now);
    }
  }

  /** What the ECU was too weak to store before an undervoltage reset it knows from the cause of its start. */
  #reportSupply(now: Instant): void {
    if (this.#phase.name === "held" && this.#cause === "undervoltage") this.#dtcs.report(Dtc.Undervoltage, true, now);
    this.#dtcs.report(Dtc.Undervoltage, this.#millivolts < this.#config.supply.programmingMin, now);
  }

  #powerOff(now: Instant): void {
    if (!this.powered) return;
    this.#tracer.record(now, this.#config.name, "ecu.power", { on: 0 });
    this.#forget(now);
    this.#phase = { name: "off" };
    this.#outbox = [{ type: "transportReset", powered: false }];
  }

  #reset(cause: ResetCause, now: Instant, downTime: Duration = NO_TIME): void {
    this.#cause = cause;
    this.#tracer.record(now, this.#config.name, "ecu.reset", { cause });
    this.#forget(now);
    this.#dtcs.open(!SAME_CYCLE.has(cause), now);
    this.#start(plus(now, downTime));
  }

  /** All that is not in flash is gone, and what flash was doing is torn. */
  #forget(now: Instant): void {
    this.#areas.cut(now, this.#prng);
    this.#kept.cut(now, this.#prng);
    this.#dtcs.close(now, this.#prng);
    this.#data.begin();
    this.#messages.stop();
    this.#receiving = false;
    this.#server.reset();
    this.#programming.begin();
  }

  #start(now: Instant): void {
    const { bootloader, boot } = this.#config;
    this.#outbox = [{ type: "transportReset", powered: true }];
    if (bootloader === undefined) this.#phase = { name: "bootloader", until: plus(now, boot.bootloader) };
    else this.#phase = { name: "rom", until: plus(now, bootloader.rom) };
  }

  /** Goes as far as it can at this instant. */
  #proceed(now: Instant): void {
    const phase = this.#phase;
    switch (phase.name) {
      case "off":
      case "held":
        break;
      case "rom":
        if (phase.until <= now) this.#choose(this.#areas.bootloader, now);
        break;
      case "bootloader":
        if (phase.until <= now) this.#choose(this.#areas.application, now);
        break;
      case "storing":
        if (this.#areas.deadline === undefined) this.#jump(phase, now);
        break;
      case "starting":
        if (phase.until <= now) this.#run(phase.choice, now);
        break;
      case "halted":
        if (phase.watchdogAt !== undefined && phase.watchdogAt <= now) this.#reset("watchdog", now);
        break;
      case "running":
        this.#live(phase, now);
        break;
    }
  }

  #choose(area: ImageArea | undefined, now: Instant): void {
    if (area === undefined) return;
    this.#phase = { name: "storing", of: area.kind, ...area.choose(now) };
    this.#proceed(now);
  }

  #jump({ of, choice, checkTime }: Extract<Phase, { name: "storing" }>, now: Instant): void {
    this.#areas[of]?.traceReverted(choice, now);
    if (choice.reverted !== undefined) {
      this.#dtcs.report(Dtc.SoftwareReverted, true, now);
      if (choice.reverted.why === "imageRefused") this.#dtcs.report(Dtc.ImageRefused, true, now);
    }
    if (of === "bootloader") {
      this.#enterBootloader(choice, checkTime, now);
      return;
    }
    const application = choice.bank === "none" ? NO_TIME : this.#config.boot.application;
    this.#phase = { name: "starting", choice, until: (now + checkTime + application) as Instant };
    this.#proceed(now);
  }

  /** The ROM jumps; a bootloader that is not fit to run is not run. */
  #enterBootloader(choice: BootChoice, checkTime: Duration, now: Instant): void {
    this.#areas.bootloader?.begin(choice, now);
    const { boot, watchdog } = this.#config;
    if (choice.bank === "none") {
      this.#phase = { name: "halted", watchdogAt: undefined };
    } else if (choice.trial && this.#behaviours.onBootloaderTrial()) {
      const guarded = watchdog.guards.includes("bootloader");
      this.#phase = { name: "halted", watchdogAt: guarded ? plus(now, watchdog.period) : undefined };
    } else {
      this.#phase = { name: "bootloader", until: (now + checkTime + boot.bootloader) as Instant };
    }
  }

  #run(choice: BootChoice, now: Instant): void {
    const { bank } = choice;
    this.#kept.begin(now);
    this.#areas.application.begin(choice, now);
    this.#programming.begin(RESET_CAUSES[this.#cause]);
    this.#server.start(now);
    const hangs = choice.trial && this.#behaviours.onTrialStart();
    if (bank !== "none" && !hangs) this.#messages.begin(now);
    const trial = this.#areas.all.some(({ onTrial }) => onTrial);
    this.#phase = {
      name: "running",
      confirmAt: bank !== "none" && trial ? plus(now, this.#config.boot.healthyRun) : undefined,
      confirming: [],
      hung: false,
      watchdogAt: undefined,
    };
    if (hangs) this.#hang(now);
  }

  #noticeHang(now: Instant): void {
    if (this.#programming.hung && this.#serving) this.#hang(now);
  }

  /** Nobody feeds the watchdog any more. */
  #hang(now: Instant): void {
    if (this.#phase.name !== "running") return;
    const { period, guards } = this.#config.watchdog;
    const guarded = guards.includes(this.#areas.application.running.bank === "none" ? "bootloader" : "application");
    this.#messages.stop();
    const watchdogAt = guarded ? plus(now, period) : undefined;
    this.#phase = { ...this.#phase, hung: true, confirmAt: undefined, watchdogAt };
  }

  /** For a snapshot. */
  #frozen(did: number, now: Instant): Uint8Array | undefined {
    if (did === Did.ActiveSession) return Uint8Array.of(this.#server.session);
    if (did !== Did.OperatingTime) return this.#programming.readData(did);
    const time = new DataView(new ArrayBuffer(4));
    time.setUint32(0, Math.floor(toMs(now)));
    return new Uint8Array(time.buffer);
  }

  /** The application's own doings. */
  #live(phase: Extract<Phase, { name: "running" }>, now: Instant): void {
    const { trapAt } = this.#programming;
    if (trapAt !== undefined && trapAt <= now) {
      this.#reset("trap", now);
      return;
    }
    if (phase.hung) {
      if (phase.watchdogAt !== undefined && phase.watchdogAt <= now) this.#reset("watchdog", now);
      return;
    }
    if (phase.confirmAt !== undefined && phase.confirmAt <= now) {
      const confirming = this.#areas.all.filter((area) => area.confirm(now)).map(({ kind }) => kind);
      this.#phase = { ...phase, confirmAt: undefined, confirming };
    } else if (phase.confirming.length > 0 && this.#areas.deadline === undefined) {
      for (const kind of phase.confirming) this.#areas[kind]?.traceConfirmed(now);
      this.#dtcs.report(Dtc.SoftwareReverted, false, now);
      this.#phase = { ...phase, confirming: [] };
    }
  }
}
