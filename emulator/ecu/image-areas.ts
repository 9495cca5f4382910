import type { Crypto } from "../kernel/crypto.ts";
import type { Stateful } from "../kernel/machine.ts";
import type { Prng } from "../kernel/prng.ts";
import { earliest, type Instant } from "../kernel/time.ts";
import type { Tracer } from "../kernel/trace.ts";
import { lastBootloader, nothingToRun } from "./bootloader.ts";
import type { EcuConfig } from "./config.ts";
import { ImageArea, type ImageAreaState } from "./image-area.ts";

export interface ImageAreasState {
  readonly application: ImageAreaState;
  readonly bootloader: ImageAreaState | undefined;
}

/** The application's banks, and those of the bootloader where it can be updated. */
export class ImageAreas implements Stateful<ImageAreasState> {
  readonly application: ImageArea;
  readonly bootloader: ImageArea | undefined;

  constructor(config: EcuConfig, crypto: Crypto, tracer: Tracer) {
    const { banks, codeFlash: flash, dataFlash, bootloader } = config;
    const own = { kind: "application", banks, flash, dataFlash, withoutMetadata: nothingToRun } as const;
    this.application = new ImageArea(config, own, crypto, tracer);
    if (bootloader === undefined) return;
    const area = { kind: "bootloader", ...bootloader, withoutMetadata: lastBootloader } as const;
    this.bootloader = new ImageArea(config, area, crypto, tracer);
  }

  get all(): readonly ImageArea[] {
    return this.bootloader === undefined ? [this.application] : [this.application, this.bootloader];
  }

  /** When the writing of boot metadata goes on or ends; undefined while all is stored. */
  get deadline(): Instant | undefined {
    return earliest(this.application.store.deadline, this.bootloader?.store.deadline);
  }

  handleDeadline(now: Instant): void {
    for (const { store } of this.all) store.handleDeadline(now);
  }

  /** Whose window a range lies in. */
  at(address: number, size: number): ImageArea | undefined {
    return this.all.find((area) => area.physical(address, size) !== undefined);
  }

  /** Whose flash module holds a physical address; the application's if none does. */
  holding(address: number): ImageArea {
    return this.all.find(({ flash }) => flash.contains(address, 1)) ?? this.application;
  }

  cut(now: Instant, prng: Prng): void {
    for (const area of this.all) area.cut(now, prng);
  }

  save(): ImageAreasState {
    return { application: this.application.save(), bootloader: this.bootloader?.save() };
  }

  load(state: ImageAreasState): void {
    this.application.load(state.application);
    if (state.bootloader !== undefined) this.bootloader?.load(state.bootloader);
  }
}
