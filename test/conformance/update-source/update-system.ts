import type { UpdateSource } from "../../../gateway/source/update-source.ts";
import type { HostDriver } from "../../../hil/link/host-driver.ts";

/** A file as it is to be published. */
interface Release {
  readonly file: Uint8Array;
  readonly signature: Uint8Array;
  /** x.y.z, for systems that offer by version. */
  readonly version: string;
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
  /** A device, before a server that speaks a version of the protocol that is not known. */
  strangeVersion(): Promise<UpdateSource>;
  close(): Promise<void>;
}

/** One update system, both sides, before the judge that all of them have in common. */
export interface UpdateSystem {
  readonly name: string;
  /** A fetch that was cut goes on where it ended; otherwise it starts again. */
  readonly resumes: boolean;
  /** The server compares versions itself, and offers nothing that is not newer. */
  readonly offersByVersion: boolean;
  start(): Promise<UpdateServerRig>;
  makeDriver(): HostDriver;
}
