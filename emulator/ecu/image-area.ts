import type { Crypto } from "../kernel/crypto.ts";
import { UsageError } from "../kernel/errors.ts";
import type { Stateful } from "../kernel/machine.ts";
import type { Prng } from "../kernel/prng.ts";
import { type Duration, type Instant, NO_TIME } from "../kernel/time.ts";
import type { Tracer } from "../kernel/trace.ts";
import { decodeImageHeader, IMAGE_HEADER_LENGTH } from "../wire/image-header.ts";
import { versionText } from "../wire/version.ts";
import { type Bank, BLANK_METADATA, type BootMetadata, otherBank, withBank } from "./boot-metadata.ts";
import { type BootChoice, chooseBank } from "./bootloader.ts";
import type { BankMap, EcuConfig } from "./config.ts";
import { Flash, type FlashGeometry, type FlashState } from "./flash.ts";
import { type CheckedImage, checkBank, type ImageKind } from "./image-check.ts";
import { MetadataStore, type MetadataStoreState } from "./metadata-store.ts";

/** What the ECU is running of an area, as far as programming has to know. */
export interface Running {
  readonly bank: Bank | "none";
  /** x.y.z; 0.0.0 while there is none. */
  readonly version: string;
  readonly securityCounter: number;
  /** The bank that is programmed. */
  readonly spare: Bank;
}

const IDLE: Running = { bank: "none", version: "0.0.0", securityCounter: 0, spare: "B" };

/** Where the images of one kind lie, and what is remembered of them. */
export interface AreaConfig {
  readonly kind: ImageKind;
  readonly banks: BankMap;
  readonly flash: FlashGeometry;
  readonly dataFlash: FlashGeometry;
  /** What is run when both copies of the metadata are lost, which no single power cut can do. */
  readonly withoutMetadata: (check: (bank: Bank) => CheckedImage) => BootChoice;
}

export interface ImageAreaState {
  readonly running: Running;
  readonly checked: boolean;
  readonly flash: FlashState;
  readonly dataFlash: FlashState;
  readonly store: MetadataStoreState;
}

const EVENTS = {
  application: {
    checked: "boot.checked",
    started: "boot.started",
    confirmed: "boot.confirmed",
    reverted: "boot.reverted",
  },
  bootloader: {
    checked: "bootloader.checked",
    started: "bootloader.started",
    confirmed: "bootloader.confirmed",
    reverted: "bootloader.reverted",
  },
} as const;

/**
 * Two banks for images of one kind, and their boot metadata. One bank runs, the other is programmed, put on trial, confirmed
 * or given up. What decides is always the metadata that is stored, and the check of the image.
 */
export class ImageArea implements Stateful<ImageAreaState> {
  readonly kind: ImageKind;
  readonly banks: BankMap;
  readonly flash: Flash;
  readonly store: MetadataStore;
  /** The spare bank was checked, and has not been touched since. */
  checked = false;
  readonly #ecu: EcuConfig;
  readonly #area: AreaConfig;
  readonly #crypto: Crypto;
  readonly #tracer: Tracer;
  readonly #dataFlash: Flash;
  #running: Running = IDLE;

  constructor(ecu: EcuConfig, area: AreaConfig, crypto: Crypto, tracer: Tracer) {
    this.kind = area.kind;
    this.banks = area.banks;
    this.#ecu = ecu;
    this.#area = area;
    this.#crypto = crypto;
    this.#tracer = tracer;
    this.flash = new Flash(ecu.name, area.flash, tracer, ecu.eraseCyclesMax);
    this.#dataFlash = new Flash(ecu.name, area.dataFlash, tracer);
    this.store = new MetadataStore(ecu.name, this.#dataFlash, tracer);
  }

  get running(): Running {
    return this.#running;
  }

  get metadata(): BootMetadata {
    return this.store.current;
  }

  /** The spare bank may only go while what runs has proved itself: it is what a failed trial falls back to. */
  get mayReplace(): boolean {
    const { bank } = this.#running;
    return bank === "none" || this.metadata.banks[bank].status === "valid";
  }

  get mayRevert(): boolean {
    const { bank, spare } = this.#running;
    return bank !== "none" && this.metadata.banks[spare].status === "valid";
  }

  get onTrial(): boolean {
    const { bank } = this.#running;
    return bank !== "none" && this.metadata.banks[bank].status === "trial";
  }

  get spareStatus(): BootMetadata["banks"]["A"]["status"] {
    return this.metadata.banks[this.#running.spare].status;
  }

  /** What runs is confirmed, and is what the next start begins with. */
  get mayCommit(): boolean {
    const { bank } = this.#running;
    return bank !== "none" && this.metadata.active === bank && this.metadata.banks[bank].status === "valid";
  }

  /** In the factory: an image in bank A as the one to run. @throws {UsageError} when it is larger than the bank */
  provision(image: Uint8Array, rollbackFloor: number): void {
    const { size } = this.banks;
    if (image.length > size) throw new UsageError(`${image.length} bytes do not fit into a bank of ${size}`);
    this.flash.place(this.banks.address.A, image);
    const metadata = withBank(BLANK_METADATA, "A", { status: "valid", starts: 0 });
    this.store.place({ ...metadata, rollbackFloor });
  }

  /** Where a range of the window lies in the spare bank; undefined for one that is empty or not wholly in the window. */
  physical(address: number, size: number): number | undefined {
    const offset = address - this.banks.window;
    if (size === 0 || offset < 0 || offset + size > this.banks.size) return undefined;
    return this.banks.address[this.#running.spare] + offset;
  }

  /** Looks at a bank and says so in the trace. */
  check(bank: Bank, now: Instant): CheckedImage {
    const image = checkBank(bank, this.kind, this.banks, this.#ecu, this.flash, this.metadata, this.#crypto);
    const version = image.header === undefined ? "" : versionText(image.header.version);
    this.#tracer.record(now, this.#ecu.name, EVENTS[this.kind].checked, { bank, result: image.result, version });
    return image;
  }

  /** How long a look at that bank takes. */
  checkTime(bank: Bank): Duration {
    const { check } = this.#ecu;
    const decoded = decodeImageHeader(this.flash.read(this.banks.address[bank], IMAGE_HEADER_LENGTH));
    const size = decoded.type === "malformed" ? 0 : Math.min(decoded.header.size, this.banks.size);
    return (check.signature + Math.ceil(size / 1024) * check.perKib) as Duration;
  }

  /** At a start: reads the metadata, checks images, and stores what the choice changes. */
  choose(now: Instant): { readonly choice: BootChoice; readonly checkTime: Duration } {
    let checkTime: Duration = NO_TIME;
    const found = this.store.open();
    const check = (bank: Bank): CheckedImage => {
      checkTime = (checkTime + this.checkTime(bank)) as Duration;
      return this.check(bank, now);
    };
    const choice = found
      ? chooseBank(this.metadata, this.#ecu.boot.trialStartsMax, check)
      : this.#area.withoutMetadata(check);
    if (choice.metadata !== this.metadata) this.store.write(choice.metadata, now);
    return { choice, checkTime };
  }

  /** The choice is stored. */
  traceReverted(choice: BootChoice, now: Instant): void {
    if (choice.reverted !== undefined) this.#record(now, "reverted", choice.reverted);
  }

  /** What was chosen runs. */
  begin({ bank, header, trial, metadata }: BootChoice, now: Instant): Running {
    const spare = otherBank(bank === "none" ? metadata.active : bank);
    const version = header === undefined ? IDLE.version : versionText(header.version);
    this.#running = { bank, version, securityCounter: header?.securityCounter ?? 0, spare };
    this.checked = false;
    this.#tracer.record(now, this.#ecu.name, EVENTS[this.kind].started, { bank, version, trial: trial ? 1 : 0 });
    return this.#running;
  }

  /** Nothing runs. What flash was doing is torn. */
  cut(now: Instant, prng: Prng): void {
    this.flash.cut(now, prng);
    this.#dataFlash.cut(now, prng);
    this.store.close();
    this.#running = IDLE;
    this.checked = false;
  }

  /** The application says that what runs of this area has proved itself. @returns whether there was anything to be said */
  confirm(now: Instant): boolean {
    const { bank } = this.#running;
    if (bank === "none" || !this.onTrial) return false;
    this.store.write(withBank(this.metadata, bank, { status: "valid", starts: 0 }), now);
    return true;
  }

  traceConfirmed(now: Instant): void {
    const { bank, version } = this.#running;
    this.#tracer.record(now, this.#ecu.name, EVENTS[this.kind].confirmed, { bank, version });
  }

  /** Before the spare bank is erased: it is not run any more. */
  giveUpSpare(now: Instant): void {
    const { spare } = this.#running;
    this.checked = false;
    if (this.spareStatus === "empty" && this.metadata.active !== spare) return;
    const emptied = withBank(this.metadata, spare, { status: "empty", starts: 0 });
    this.store.write({ ...emptied, active: otherBank(spare) }, now);
  }

  putOnTrial(now: Instant): void {
    const { spare } = this.#running;
    const metadata = withBank(this.metadata, spare, { status: "trial", starts: 0 });
    this.store.write({ ...metadata, active: spare }, now);
  }

  /** The spare bank is the next to run. An image that has not been confirmed is not tried again. */
  revert(now: Instant): { readonly from: Bank; readonly to: Bank } {
    const to = this.#running.spare;
    const from = otherBank(to);
    const abandoned = this.metadata.banks[from].status !== "valid";
    const rest = abandoned ? withBank(this.metadata, from, { status: "empty", starts: 0 }) : this.metadata;
    this.store.write({ ...rest, active: to }, now);
    return { from, to };
  }

  traceCommanded(reverted: { readonly from: Bank; readonly to: Bank }, now: Instant): void {
    this.#record(now, "reverted", { ...reverted, why: "commanded" });
  }

  /** Raises the anti-rollback counter to that of what runs; never lowers it. */
  commit(now: Instant): void {
    const { securityCounter } = this.#running;
    if (securityCounter <= this.metadata.rollbackFloor) return;
    this.store.write({ ...this.metadata, rollbackFloor: securityCounter }, now);
  }

  save(): ImageAreaState {
    return {
      running: this.#running,
      checked: this.checked,
      flash: this.flash.save(),
      dataFlash: this.#dataFlash.save(),
      store: this.store.save(),
    };
  }

  load(state: ImageAreaState): void {
    this.#running = state.running;
    this.checked = state.checked;
    this.flash.load(state.flash);
    this.#dataFlash.load(state.dataFlash);
    this.store.load(state.store);
  }

  #record(now: Instant, type: "reverted", fields: { from: Bank; to: Bank | "none"; why: string }): void {
    this.#tracer.record(now, this.#ecu.name, EVENTS[this.kind][type], fields);
  }
}
