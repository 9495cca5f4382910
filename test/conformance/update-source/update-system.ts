import type { DetachedSignature, UpdateSource } from "../../../gateway/source/update-source.ts";
import type { HostDriver } from "../../../hil/link/host-driver.ts";

/** A file as it is to be published. */
interface Release {
  readonly file: Uint8Array;
  /** False: the signature is one of somebody else. */
  readonly signed: boolean;
}

export interface DeviceOptions {
  /** The longest file that the device takes, bytes. */
  readonly sizeMax?: number;
  /** False: the device trusts another authority than the server's. */
  readonly trusting?: boolean;
}

/** A running server of one update system, and what a test needs to spoil it with. */
export interface UpdateServerRig {
  /** From now on this is what there is; nothing, if undefined. */
  publish(release: Release | undefined): void;
  makeSource(options: DeviceOptions): UpdateSource;
  /** The connection ends behind that byte of the file, and each of the next ones so many bytes further on. */
  cutAfter(bytes: number, times: number): void;
  corruptByteAt(offset: number): void;
  truncateTo(length: number): void;
  slow(bytesPerSecond: number): void;
  /** As if there was no server. */
  gone(): void;
  /** There again, and nothing wrong with it. */
  healthy(): void;
  close(): Promise<void>;
}

/** One update system, both sides, before the judge that all of them have in common. */
export interface UpdateSystem {
  readonly name: string;
  /** A fetch that was cut goes on where it ended; otherwise it starts again. */
  readonly resumes: boolean;
  start(): Promise<UpdateServerRig>;
  makeDriver(): HostDriver;
  /** Whether the package pipeline would take it for what the owner of the right key released. */
  verify(file: Uint8Array, signature: DetachedSignature | undefined): boolean;
}
