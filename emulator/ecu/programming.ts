import type { Crypto } from "../kernel/crypto.ts";
import { InvariantError } from "../kernel/errors.ts";
import type { Stateful } from "../kernel/machine.ts";
import type { Prng } from "../kernel/prng.ts";
import { type Duration, earliest, type Instant, plus } from "../kernel/time.ts";
import type { Tracer } from "../kernel/trace.ts";
import { DONE, type Misbehaviour, type RequestFacts, refused, type UdsHost, type Work } from "../uds/host.ts";
import type { EventHost } from "../uds/host-events.ts";
import type { SecretsHost } from "../uds/host-secrets.ts";
import type { SecuredHost } from "../uds/host-secured.ts";
import type { SecurityHost } from "../uds/host-security.ts";
import { joined } from "../uds/service.ts";
import { readAddressAndSize } from "../uds/services/address-and-size.ts";
import { decodeImageHeader, IMAGE_HEADER_LENGTH } from "../wire/image-header.ts";
import { Did, ImageStatus, Nrc, Rid } from "../wire/uds.ts";
import { versionText } from "../wire/version.ts";
import type { ApplicationMessages } from "./application-messages.ts";
import type { Behaviours } from "./behaviours.ts";
import { type Bank, type BootMetadata, otherBank, withBank } from "./boot-metadata.ts";
import type { EcuConfig } from "./config.ts";
import { ascii, DIDS, identityData, ROUTINES } from "./data-identifiers.ts";
import { Dtc } from "./dtc-config.ts";
import type { DtcMemory } from "./dtc-memory.ts";
import type { EcuData } from "./ecu-data.ts";
import type { Flash, FlashStart } from "./flash.ts";
import { type CheckedImage, checkBank } from "./image-check.ts";
import type { KeptRecords } from "./kept-records.ts";
import type { MetadataStore } from "./metadata-store.ts";

/** What the ECU is running, as far as programming has to know. */
export interface Running {
  readonly bank: Bank | "none";
  /** x.y.z; 0.0.0 in the bootloader. */
  readonly version: string;
  readonly securityCounter: number;
  /** The bank that is programmed. */
  readonly spare: Bank;
}

export const IDLE: Running = { bank: "none", version: "0.0.0", securityCounter: 0, spare: "B" };

/** What is under way. */
type Job =
  | { readonly name: "idle" }
  /** Until all boot metadata is stored; then an erase follows, or it is done. */
  | {
      readonly name: "storing";
      readonly erase?: { readonly address: number; readonly length: number };
      readonly reverted?: { readonly from: Bank; readonly to: Bank };
      readonly record: Uint8Array;
    }
  /** Before a reset, until all that is being written is stored. */
  | { readonly name: "settling" }
  | { readonly name: "flashing"; readonly until: Instant; readonly record: Uint8Array }
  /** The supply left its range while flash was being changed; the answer comes when the work would have ended. */
  | { readonly name: "failed" }
  | { readonly name: "checking"; readonly until: Instant; readonly rid: number };

/** Where the data of a download goes. */
interface Target {
  readonly address: number;
  readonly size: number;
  /** What came but does not fill a flash page yet. */
  readonly tail: Uint8Array;
}

export interface ProgrammingState {
  readonly running: Running;
  readonly job: Job;
  readonly target: Target | undefined;
  readonly checked: boolean;
  readonly refusal: Nrc | undefined;
  readonly hung: boolean;
  readonly resetCause: number;
  readonly trapAt: Instant | undefined;
}

export interface ProgrammingParts {
  readonly codeFlash: Flash;
  readonly store: MetadataStore;
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
  #running: Running = IDLE;
  #job: Job = NO_JOB;
  #target: Target | undefined;
  /** The spare bank was checked, and has not been touched since. */
  #checked = false;
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

  get running(): Running {
    return this.#running;
  }

  get trapAt(): Instant | undefined {
    return this.#trapAt;
  }

  get hung(): boolean {
    return this.#hung;
  }

  /** A start, or the end of one: whatever was under way is forgotten. @param resetCause its code in identifier 0111 */
  begin(running: Running, resetCause = 0): void {
    this.#running = running;
    this.#resetCause = resetCause;
    this.#hung = false;
    this.#job = NO_JOB;
    this.#target = undefined;
    this.#checked = false;
    this.#trapAt = undefined;
  }

  /** The supply voltage has changed. What code flash was doing is torn when it no longer allows that. */
  supplyChanged(refusal: Nrc | undefined, now: Instant): void {
    this.#refusal = refusal;
    if (refusal === undefined || this.#job.name !== "flashing") return;
    this.#parts.codeFlash.cut(now, this.#parts.prng);
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
    if (did === Did.SoftwareVersion) return ascii(this.#running.version);
    if (did === Did.ResetCause) return Uint8Array.of(this.#resetCause);
    if (did !== Did.Fingerprint) return identityData(this.#config.identity, did);
    const { fingerprint } = this.#metadata;
    return fingerprint.length > 0 ? fingerprint : undefined;
  }

  /** The fingerprint is the only one that can be written; it is kept with the boot metadata. */
  writeData(_did: number, data: Uint8Array, now: Instant): Work {
    return this.#storeAnd({ ...this.#metadata, fingerprint: data }, NO_BYTES, now);
  }

  startRoutine(rid: number, option: Uint8Array, now: Instant): Work {
    if (rid === Rid.EraseMemory) return this.#erase(option, now);
    if (option.length > 0) return refused(Nrc.IncorrectMessageLengthOrInvalidFormat);
    switch (rid) {
      case Rid.CheckMemory:
        return this.#check(rid, now);
      case Rid.CheckProgrammingDependencies:
        return this.#checkDependencies(now);
      case Rid.RevertSoftware:
        return this.#mayRevert() ? this.#check(rid, now) : refused(Nrc.ConditionsNotCorrect);
      case Rid.CommitSoftware:
        return this.#commit(now);
      default:
        throw new InvariantError(`routine ${rid} has a rule and no code`);
    }
  }

  requestDownload(address: number, size: number, _now: Instant): Work {
    if (this.#refusal !== undefined) return refused(this.#refusal);
    const { pageSize } = this.#config.codeFlash;
    const physical = this.#physical(address, size);
    if (physical === undefined || physical % pageSize !== 0) return refused(Nrc.RequestOutOfRange);
    if (!this.#mayReplace() || this.#metadata.banks[this.#running.spare].status !== "empty") {
      return refused(Nrc.ConditionsNotCorrect);
    }
    const whole = Math.ceil(size / pageSize) * pageSize;
    if (!this.#parts.codeFlash.isErased(physical, whole)) return refused(Nrc.UploadDownloadNotAccepted);
    this.#checked = false;
    this.#target = { address: physical, size, tail: NO_BYTES };
    return DONE;
  }

  transferData(offset: number, data: Uint8Array, now: Instant): Work {
    const target = this.#target;
    if (target === undefined) throw new InvariantError("a block without a download");
    if (this.#refusal !== undefined) return refused(this.#refusal);
    const { pageSize } = this.#config.codeFlash;
    const from = target.address + offset - target.tail.length;
    const waiting = joined(target.tail, data);
    const last = offset + data.length === target.size;
    const length = last ? waiting.length : waiting.length - (waiting.length % pageSize);
    this.#target = { ...target, tail: waiting.slice(length) };
    if (length === 0) return DONE;
    return this.#flashing(
      this.#parts.codeFlash.program(from, padded(waiting.subarray(0, length), pageSize), now),
      NO_BYTES,
      now,
    );
  }

  transferExit(now: Instant): Work {
    this.#target = undefined;
    this.dtc.report(Dtc.ProgrammingFailed, false, now);
    return DONE;
  }

  prepareReset(_now: Instant): Work {
    const until = earliest(this.#parts.store.deadline, this.dtc.deadline);
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
        if (this.#parts.store.deadline !== undefined || job.erase === undefined) return this.#storing(job, now);
        if (this.#refusal !== undefined) return this.#failed(now);
        return this.#flashing(this.#parts.codeFlash.erase(job.erase.address, job.erase.length, now), job.record, now);
      case "settling":
        return this.prepareReset(now);
      case "flashing":
        this.#parts.codeFlash.complete(now);
        return this.#done(job.record);
      case "failed":
        return this.#failed(now);
      case "checking":
        return this.#checkEnded(job.rid, now);
    }
  }

  /** Looks at a bank and says so in the trace. */
  check(bank: Bank, now: Instant): CheckedImage {
    const { codeFlash, crypto, tracer } = this.#parts;
    const image = checkBank(bank, this.#config, codeFlash, this.#metadata, crypto);
    const version = image.header === undefined ? "" : versionText(image.header.version);
    tracer.record(now, this.#config.name, "boot.checked", { bank, result: image.result, version });
    return image;
  }

  /** How long a look at that bank takes. */
  checkTime(bank: Bank): Duration {
    const { banks, check } = this.#config;
    const decoded = decodeImageHeader(this.#parts.codeFlash.read(banks.address[bank], IMAGE_HEADER_LENGTH));
    const size = decoded.type === "malformed" ? 0 : Math.min(decoded.header.size, banks.size);
    return (check.signature + Math.ceil(size / 1024) * check.perKib) as Duration;
  }

  save(): ProgrammingState {
    return {
      running: this.#running,
      job: this.#job,
      target: this.#target,
      checked: this.#checked,
      refusal: this.#refusal,
      hung: this.#hung,
      resetCause: this.#resetCause,
      trapAt: this.#trapAt,
    };
  }

  load(state: ProgrammingState): void {
    this.#running = state.running;
    this.#job = state.job;
    this.#target = state.target;
    this.#checked = state.checked;
    this.#refusal = state.refusal;
    this.#hung = state.hung;
    this.#resetCause = state.resetCause;
    this.#trapAt = state.trapAt;
  }

  get #metadata(): BootMetadata {
    return this.#parts.store.current;
  }

  /** The spare bank may only go while what runs has proved itself: it is what a failed trial falls back to. */
  #mayReplace(): boolean {
    const { bank } = this.#running;
    return bank === "none" || this.#metadata.banks[bank].status === "valid";
  }

  #mayRevert(): boolean {
    const { bank, spare } = this.#running;
    return bank !== "none" && this.#metadata.banks[spare].status === "valid";
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
    const address = this.#physical(range.address, range.size);
    if (address === undefined) return refused(Nrc.RequestOutOfRange);
    if (!this.#mayReplace()) return refused(Nrc.ConditionsNotCorrect);
    if (this.#refusal !== undefined) return refused(this.#refusal);
    this.#checked = false;
    this.#target = undefined;
    const { spare } = this.#running;
    const metadata = this.#metadata;
    if (metadata.banks[spare].status !== "empty" || metadata.active === spare) {
      const emptied = withBank(metadata, spare, { status: "empty", starts: 0 });
      this.#parts.store.write({ ...emptied, active: otherBank(spare) }, now);
    }
    this.#job = { name: "storing", erase: { address, length: range.size }, record: STATUS_OK };
    return this.#parts.store.deadline === undefined ? this.resume(now) : this.#storing(this.#job, now);
  }

  #checkDependencies(now: Instant): Work {
    if (!this.#mayReplace()) return refused(Nrc.ConditionsNotCorrect);
    if (this.#metadata.banks[this.#running.spare].status === "valid") return refused(Nrc.RequestSequenceError);
    return this.#checked ? this.#putOnTrial(now) : this.#check(Rid.CheckProgrammingDependencies, now);
  }

  #check(rid: number, now: Instant): Work {
    const until = plus(now, this.checkTime(this.#running.spare));
    this.#job = { name: "checking", until, rid };
    return { type: "busy", until };
  }

  #checkEnded(rid: number, now: Instant): Work {
    const { result } = this.check(this.#running.spare, now);
    this.#checked = result === "ok";
    this.dtc.report(Dtc.ImageRefused, !this.#checked, now);
    if (rid === Rid.RevertSoftware) {
      return this.#checked ? this.#revert(now) : this.#refused(Nrc.ConditionsNotCorrect);
    }
    if (!this.#checked || rid === Rid.CheckMemory) return this.#done(Uint8Array.of(ImageStatus[result]));
    return this.#putOnTrial(now);
  }

  #putOnTrial(now: Instant): Work {
    const { spare } = this.#running;
    const metadata = withBank(this.#metadata, spare, { status: "trial", starts: 0 });
    return this.#storeAnd({ ...metadata, active: spare }, STATUS_OK, now);
  }

  /** An image that has not been confirmed is not tried again. */
  #revert(now: Instant): Work {
    const { spare } = this.#running;
    const bank = otherBank(spare);
    const metadata = this.#metadata;
    const abandoned = metadata.banks[bank].status !== "valid";
    const rest = abandoned ? withBank(metadata, bank, { status: "empty", starts: 0 }) : metadata;
    this.#parts.store.write({ ...rest, active: spare }, now);
    return this.#storing({ name: "storing", reverted: { from: bank, to: spare }, record: STATUS_OK }, now);
  }

  #commit(now: Instant): Work {
    const { bank, securityCounter } = this.#running;
    const metadata = this.#metadata;
    if (bank === "none" || metadata.active !== bank || metadata.banks[bank].status !== "valid") {
      return refused(Nrc.ConditionsNotCorrect);
    }
    if (securityCounter <= metadata.rollbackFloor) return this.#storing({ name: "storing", record: STATUS_OK }, now);
    return this.#storeAnd({ ...metadata, rollbackFloor: securityCounter }, STATUS_OK, now);
  }

  #storeAnd(metadata: BootMetadata, record: Uint8Array, now: Instant): Work {
    this.#parts.store.write(metadata, now);
    return this.#storing({ name: "storing", record }, now);
  }

  #storing(job: Extract<Job, { name: "storing" }>, now: Instant): Work {
    const until = this.#parts.store.deadline;
    if (until !== undefined) {
      this.#job = job;
      return { type: "busy", until };
    }
    if (job.reverted !== undefined) {
      this.#parts.tracer.record(now, this.#config.name, "boot.reverted", { ...job.reverted, why: "commanded" });
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

  /** @returns undefined for a range that is empty or not wholly in the window */
  #physical(address: number, size: number): number | undefined {
    const { banks } = this.#config;
    const offset = address - banks.window;
    if (size === 0 || offset < 0 || offset + size > banks.size) return undefined;
    return banks.address[this.#running.spare] + offset;
  }
}

function padded(data: Uint8Array, pageSize: number): Uint8Array {
  if (data.length % pageSize === 0) return data;
  const whole = new Uint8Array(Math.ceil(data.length / pageSize) * pageSize).fill(0xff);
  whole.set(data);
  return whole;
}
