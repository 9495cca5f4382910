import type { Crypto } from "../kernel/crypto.ts";
import { InvariantError } from "../kernel/errors.ts";
import type { Stateful } from "../kernel/machine.ts";
import type { Prng } from "../kernel/prng.ts";
import { earliest, type Instant, plus } from "../kernel/time.ts";
import type { Tracer } from "../kernel/trace.ts";
import { DONE, type Misbehaviour, type RequestFacts, refused, type UdsHost, type Work } from "../uds/host.ts";
import type { EventHost } from "../uds/host-events.ts";
import type { SecretsHost } from "../uds/host-secrets.ts";
import type { SecuredHost } from "../uds/host-secured.ts";
import type { SecurityHost } from "../uds/host-security.ts";
import { joined } from "../uds/service.ts";
import { readAddressAndSize } from "../uds/services/address-and-size.ts";
import { Did, ImageStatus, Nrc, Rid } from "../wire/uds.ts";
import type { ApplicationMessages } from "./application-messages.ts";
import type { Behaviours } from "./behaviours.ts";
import type { Bank } from "./boot-metadata.ts";
import type { EcuConfig } from "./config.ts";
import { ascii, DIDS, identityData, ROUTINES } from "./data-identifiers.ts";
import { Dtc } from "./dtc-config.ts";
import type { DtcMemory } from "./dtc-memory.ts";
import type { EcuData } from "./ecu-data.ts";
import type { FlashStart } from "./flash.ts";
import type { ImageArea } from "./image-area.ts";
import type { ImageAreas } from "./image-areas.ts";
import type { ImageKind } from "./image-check.ts";
import type { KeptRecords } from "./kept-records.ts";

/** What is under way. */
type Job =
  | { readonly name: "idle" }
  /** Until all boot metadata is stored; then an erase follows, or it is done. */
  | {
      readonly name: "storing";
      readonly erase?: { readonly address: number; readonly length: number };
      readonly reverted?: { readonly of: ImageKind; readonly from: Bank; readonly to: Bank };
      readonly record: Uint8Array;
    }
  /** Before a reset, until all that is being written is stored. */
  | { readonly name: "settling" }
  | { readonly name: "flashing"; readonly until: Instant; readonly record: Uint8Array }
  /** The supply left its range while flash was being changed; the answer comes when the work would have ended. */
  | { readonly name: "failed" }
  | { readonly name: "checking"; readonly until: Instant; readonly rid: number; readonly of: ImageKind };

/** Where the data of a download goes. */
interface Target {
  readonly address: number;
  readonly size: number;
  /** What came but does not fill a flash page yet. */
  readonly tail: Uint8Array;
}

export interface ProgrammingState {
  readonly job: Job;
  readonly target: Target | undefined;
  /** What was erased or downloaded last, which the routines then mean. */
  readonly selected: ImageKind;
  readonly refusal: Nrc | undefined;
  readonly hung: boolean;
  readonly resetCause: number;
  readonly trapAt: Instant | undefined;
}

export interface ProgrammingParts {
  readonly areas: ImageAreas;
  readonly kept: KeptRecords;
  readonly dtc: DtcMemory;
  readonly data: EcuData;
  readonly messages: ApplicationMessages;
  readonly behaviours: Behaviours;
  readonly crypto: Crypto;
  readonly prng: Prng;
  readonly tracer: Tracer;
}

const NO_JOB: Job = { name: "idle" };
const NO_BYTES = new Uint8Array(0);
/** Option of 0301: the bootloader is meant. */
const BOOTLOADER = 1;
const STATUS_OK = Uint8Array.of(ImageStatus.ok);

/**
 * What the ECU does for its UDS server: identity, and programming of the bank that does not run.
 * Testers always address the same window, which is mapped to that bank.
 */
export class Programming implements UdsHost, Stateful<ProgrammingState> {
  readonly dids = DIDS;
  readonly routines = ROUTINES;
  readonly security: SecurityHost;
  readonly events: EventHost;
  readonly secured: SecuredHost;
  readonly secrets: SecretsHost;
  readonly dtc: DtcMemory;
  readonly dataHost: EcuData;
  readonly communication: ApplicationMessages;
  readonly #config: EcuConfig;
  readonly #parts: ProgrammingParts;
  #job: Job = NO_JOB;
  #target: Target | undefined;
  #selected: ImageKind = "application";
  /** Why the supply voltage does not allow flash to be changed. */
  #refusal: Nrc | undefined;
  /** The software that runs has come to a standstill. */
  #hung = false;
  #resetCause = 0;
  /** When a trap resets the ECU. */
  #trapAt: Instant | undefined;

  constructor(config: EcuConfig, parts: ProgrammingParts) {
    this.#config = config;
    this.#parts = parts;
    const { security, events, secured } = parts.kept;
    this.security = security;
    this.events = events;
    this.secured = secured;
    const { crypto, prng } = parts;
    this.secrets = { crypto, random: (length) => prng.bytes(length) };
    this.dtc = parts.dtc;
    this.dataHost = parts.data;
    this.communication = parts.messages;
  }

  get trapAt(): Instant | undefined {
    return this.#trapAt;
  }

  get hung(): boolean {
    return this.#hung;
  }

  /** A start, or the end of one: whatever was under way is forgotten. @param resetCause its code in identifier 0111 */
  begin(resetCause = 0): void {
    this.#resetCause = resetCause;
    this.#hung = false;
    this.#job = NO_JOB;
    this.#target = undefined;
    this.#selected = "application";
    this.#trapAt = undefined;
  }

  /** The supply voltage has changed. What code flash was doing is torn when it no longer allows that. */
  supplyChanged(refusal: Nrc | undefined, now: Instant): void {
    this.#refusal = refusal;
    if (refusal === undefined || this.#job.name !== "flashing") return;
    this.#area.flash.cut(now, this.#parts.prng);
    this.#job = { name: "failed" };
  }

  /** A programming failure that was arranged for is one to the ECU as well. */
  misbehave(facts: RequestFacts, now: Instant): Misbehaviour | undefined {
    const struck = this.#parts.behaviours.onRequest(facts);
    if (struck?.type === "trap") {
      this.#trapAt = plus(now, struck.after);
      return struck.after === 0 ? { type: "silence" } : undefined;
    }
    if (struck?.type === "hang") {
      this.#hung = true;
      return { type: "silence" };
    }
    const failed = struck?.type === "refuse" && struck.nrc === Nrc.GeneralProgrammingFailure;
    if (failed) this.dtc.report(Dtc.ProgrammingFailed, true, now);
    return struck;
  }

  seed(): number {
    return this.#parts.behaviours.onSeed() ?? (this.#parts.prng.uint32() || 1); // zero says "unlocked already"
  }

  readData(did: number): Uint8Array | undefined {
    const { application, bootloader } = this.#parts.areas;
    if (did === Did.SoftwareVersion) return ascii(application.running.version);
    if (did === Did.BootSoftware && bootloader !== undefined) return ascii(bootloader.running.version, 1);
    if (did === Did.ResetCause) return Uint8Array.of(this.#resetCause);
    if (did !== Did.Fingerprint) return identityData(this.#config.identity, did);
    const { fingerprint } = application.metadata;
    return fingerprint.length > 0 ? fingerprint : undefined;
  }

  /** The fingerprint is the only one that can be written; it is kept with the boot metadata. */
  writeData(_did: number, data: Uint8Array, now: Instant): Work {
    const { store, metadata } = this.#parts.areas.application;
    store.write({ ...metadata, fingerprint: data }, now);
    return this.#storing({ name: "storing", record: NO_BYTES }, now);
  }

  startRoutine(rid: number, option: Uint8Array, now: Instant): Work {
    if (rid === Rid.EraseMemory) return this.#erase(option, now);
    const named = rid === Rid.RevertSoftware && this.#parts.areas.bootloader !== undefined && option.length === 1;
    if (option.length > 0 && !named) return refused(Nrc.IncorrectMessageLengthOrInvalidFormat);
    switch (rid) {
      case Rid.CheckMemory:
        return this.#check(this.#area, rid, now);
      case Rid.CheckProgrammingDependencies:
        return this.#checkDependencies(now);
      case Rid.RevertSoftware:
        return named && option[0] !== BOOTLOADER ? refused(Nrc.RequestOutOfRange) : this.#mayRevert(option, now);
      case Rid.CommitSoftware:
        return this.#commit(now);
      default:
        throw new InvariantError(`routine ${rid} has a rule and no code`);
    }
  }

  requestDownload(address: number, size: number, _now: Instant): Work {
    if (this.#refusal !== undefined) return refused(this.#refusal);
    const area = this.#parts.areas.at(address, size);
    const physical = area?.physical(address, size);
    if (area === undefined || physical === undefined) return refused(Nrc.RequestOutOfRange);
    const { pageSize } = area.flash.geometry;
    if (physical % pageSize !== 0) return refused(Nrc.RequestOutOfRange);
    if (!area.mayReplace || area.spareStatus !== "empty") {
      return refused(Nrc.ConditionsNotCorrect);
    }
    const whole = Math.ceil(size / pageSize) * pageSize;
    if (!area.flash.isErased(physical, whole)) return refused(Nrc.UploadDownloadNotAccepted);
    area.checked = false;
    this.#selected = area.kind;
    this.#target = { address: physical, size, tail: NO_BYTES };
    return DONE;
  }

  transferData(offset: number, data: Uint8Array, now: Instant): Work {
    const target = this.#target;
    if (target === undefined) throw new InvariantError("a block without a download");
    if (this.#refusal !== undefined) return refused(this.#refusal);
    const { flash } = this.#area;
    const { pageSize } = flash.geometry;
    const from = target.address + offset - target.tail.length;
    const waiting = joined(target.tail, data);
    const last = offset + data.length === target.size;
    const length = last ? waiting.length : waiting.length - (waiting.length % pageSize);
    this.#target = { ...target, tail: waiting.slice(length) };
    if (length === 0) return DONE;
    return this.#flashing(flash.program(from, padded(waiting.subarray(0, length), pageSize), now), NO_BYTES, now);
  }

  transferExit(now: Instant): Work {
    this.#target = undefined;
    this.dtc.report(Dtc.ProgrammingFailed, false, now);
    return DONE;
  }

  prepareReset(_now: Instant): Work {
    const until = earliest(this.#parts.areas.deadline, this.dtc.deadline);
    if (until === undefined) return this.#done(NO_BYTES);
    this.#job = { name: "settling" };
    return { type: "busy", until };
  }

  resume(now: Instant): Work {
    if (this.#parts.kept.busy) return this.#parts.kept.resume(now);
    if (this.dtc.clearing) return this.dtc.resume();
    if (this.dataHost.busy) return this.dataHost.resume(now);
    const job = this.#job;
    switch (job.name) {
      case "idle":
        throw new InvariantError("nothing is under way");
      case "storing":
        if (this.#parts.areas.deadline !== undefined || job.erase === undefined) return this.#storing(job, now);
        if (this.#refusal !== undefined) return this.#failed(now);
        return this.#flashing(this.#area.flash.erase(job.erase.address, job.erase.length, now), job.record, now);
      case "settling":
        return this.prepareReset(now);
      case "flashing":
        this.#area.flash.complete(now);
        return this.#done(job.record);
      case "failed":
        return this.#failed(now);
      case "checking":
        return this.#checkEnded(job, now);
    }
  }

  save(): ProgrammingState {
    return {
      job: this.#job,
      target: this.#target,
      selected: this.#selected,
      refusal: this.#refusal,
      hung: this.#hung,
      resetCause: this.#resetCause,
      trapAt: this.#trapAt,
    };
  }

  load(state: ProgrammingState): void {
    this.#job = state.job;
    this.#target = state.target;
    this.#selected = state.selected;
    this.#refusal = state.refusal;
    this.#hung = state.hung;
    this.#resetCause = state.resetCause;
    this.#trapAt = state.trapAt;
  }

  /** The area that was touched last. */
  get #area(): ImageArea {
    const { application, bootloader } = this.#parts.areas;
    return (this.#selected === "bootloader" ? bootloader : undefined) ?? application;
  }

  #erase(option: Uint8Array, now: Instant): Work {
    const { banks } = this.#config;
    const range =
      option.length === 0
        ? ({ type: "range", address: banks.window, size: banks.size, length: 0 } as const)
        : readAddressAndSize(option, 0);
    if (range.type === "formatInvalid") return refused(Nrc.RequestOutOfRange);
    if (range.type === "tooShort" || range.length !== option.length) {
      return refused(Nrc.IncorrectMessageLengthOrInvalidFormat);
    }
    const area = this.#parts.areas.at(range.address, range.size);
    const address = area?.physical(range.address, range.size);
    if (area === undefined || address === undefined) return refused(Nrc.RequestOutOfRange);
    if (!area.mayReplace) return refused(Nrc.ConditionsNotCorrect);
    if (this.#refusal !== undefined) return refused(this.#refusal);
    this.#target = undefined;
    this.#selected = area.kind;
    area.giveUpSpare(now);
    this.#job = { name: "storing", erase: { address, length: range.size }, record: STATUS_OK };
    return this.#parts.areas.deadline === undefined ? this.resume(now) : this.#storing(this.#job, now);
  }

  #checkDependencies(now: Instant): Work {
    const area = this.#area;
    if (!area.mayReplace) return refused(Nrc.ConditionsNotCorrect);
    if (area.spareStatus === "valid") return refused(Nrc.RequestSequenceError);
    return area.checked ? this.#putOnTrial(now) : this.#check(area, Rid.CheckProgrammingDependencies, now);
  }

  #check(area: ImageArea, rid: number, now: Instant): Work {
    const until = plus(now, area.checkTime(area.running.spare));
    this.#job = { name: "checking", until, rid, of: area.kind };
    return { type: "busy", until };
  }

  #checkEnded({ rid, of }: Extract<Job, { name: "checking" }>, now: Instant): Work {
    const area = this.#parts.areas[of] ?? this.#area;
    const { result } = area.check(area.running.spare, now);
    area.checked = result === "ok";
    this.dtc.report(Dtc.ImageRefused, !area.checked, now);
    if (rid === Rid.RevertSoftware) {
      return area.checked ? this.#revert(area, now) : this.#refused(Nrc.ConditionsNotCorrect);
    }
    if (!area.checked || rid === Rid.CheckMemory) return this.#done(Uint8Array.of(ImageStatus[result]));
    return this.#putOnTrial(now);
  }

  #putOnTrial(now: Instant): Work {
    this.#area.putOnTrial(now);
    return this.#storing({ name: "storing", record: STATUS_OK }, now);
  }

  #mayRevert(option: Uint8Array, now: Instant): Work {
    const { application, bootloader } = this.#parts.areas;
    const area = option.length === 0 ? application : bootloader;
    return area?.mayRevert === true ? this.#check(area, Rid.RevertSoftware, now) : refused(Nrc.ConditionsNotCorrect);
  }

  #revert(area: ImageArea, now: Instant): Work {
    const reverted = { of: area.kind, ...area.revert(now) };
    return this.#storing({ name: "storing", reverted, record: STATUS_OK }, now);
  }

  /** Of all that runs. */
  #commit(now: Instant): Work {
    const { all } = this.#parts.areas;
    if (!all.every(({ mayCommit }) => mayCommit)) return refused(Nrc.ConditionsNotCorrect);
    for (const area of all) area.commit(now);
    return this.#storing({ name: "storing", record: STATUS_OK }, now);
  }

  #storing(job: Extract<Job, { name: "storing" }>, now: Instant): Work {
    const until = this.#parts.areas.deadline;
    if (until !== undefined) {
      this.#job = job;
      return { type: "busy", until };
    }
    if (job.reverted !== undefined) {
      const { of, from, to } = job.reverted;
      this.#parts.areas[of]?.traceCommanded({ from, to }, now);
    }
    return this.#done(job.record);
  }

  #flashing(start: FlashStart, record: Uint8Array, now: Instant): Work {
    if (start.type === "fault") return this.#failed(now);
    this.#job = { name: "flashing", until: start.until, record };
    return { type: "busy", until: start.until };
  }

  #failed(now: Instant): Work {
    this.dtc.report(Dtc.ProgrammingFailed, true, now);
    return this.#refused(Nrc.GeneralProgrammingFailure);
  }

  #done(record: Uint8Array): Work {
    this.#job = NO_JOB;
    return record.length === 0 ? DONE : { type: "done", record };
  }

  #refused(nrc: Nrc): Work {
    this.#job = NO_JOB;
    return refused(nrc);
  }
}

function padded(data: Uint8Array, pageSize: number): Uint8Array {
  if (data.length % pageSize === 0) return data;
  const whole = new Uint8Array(Math.ceil(data.length / pageSize) * pageSize).fill(0xff);
  whole.set(data);
  return whole;
}
