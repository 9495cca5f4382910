import type { UpdateSource } from "../../gateway/source/update-source.ts";
import type { SystemName } from "../bench/source-schema.ts";
import type { HostDriver } from "../link/host-driver.ts";
import type { ServerFault } from "../server/server-faults.ts";

/** What is put onto a server: a file and what proves its origin. */
export interface Publication {
  readonly file: Uint8Array;
  /** Detached, over all of the file; left out when there is none. */
  readonly signature?: Uint8Array;
  /** x.y.z of the release, for systems that offer by version. */
  readonly version: string;
  /** When it was made, by its own account. */
  readonly builtAt: Date;
  /** Where, or for what, it is published, in the system's own words; as the vehicle asks for it, if left out. */
  readonly name?: string;
}

/** Whom a device trusts, and how it knows the server. */
export interface DeviceTrust {
  /** Certificates that the server's must lead to, PEM. */
  readonly ca: string;
  /** What the device shows if it is asked who it is, PEM. */
  readonly identity?: { readonly certificate: string; readonly privateKey: string };
  /** The longest file that is taken, bytes. */
  readonly sizeMax?: number;
}

interface ServerOptions {
  /** PEM. */
  readonly certificate: string;
  /** PEM, PKCS#8. */
  readonly privateKey: string;
  /** Loopback if not given. */
  readonly host?: string;
  /** 0, if not given: any free one. */
  readonly port?: number;
  readonly faults?: readonly ServerFault[];
  /** Devices must, or may, show a certificate that leads to this one, PEM; for systems that know device certificates. */
  readonly deviceCa?: string;
  readonly deviceAuth?: "request" | "require";
  /** Folder where it is kept what a restart must not lose; for systems whose server knows its devices. */
  readonly state?: string;
  /** Told what happens, one line each. */
  readonly onEvent?: (line: string) => void;
}

/** A server of one update system, on this machine. */
interface SystemServer {
  readonly port: number;
  publish(publication: Publication): void;
  /** From now on these are on and no others. */
  setFaults(faults: readonly ServerFault[]): void;
  /** How often it had to send something again; left out where the transport does not tell. */
  retransmissions?(): number;
  /** Ends all connections, and resolves when the port is free. */
  close(): Promise<void>;
}

/** One update system, both sides, with the settings that it was made with. What scenarios and commands know of it. */
export interface UpdateSystem {
  readonly name: SystemName;
  /** "scheme://host:port", as the vehicle knows it. */
  readonly server: string;
  /** The server, and what is asked for there: for reports. */
  readonly peer: string;
  makeSource(trust: DeviceTrust): UpdateSource;
  /** Carries out what that source asks for; one that knows all systems will do, if left out. @param onShow what the device shows */
  makeDriver?(onShow?: (value: string) => void): HostDriver;
  /** @throws {LinkError} "LINK_REFUSED" when the port can't be had @throws {FileError} */
  startServer(options: ServerOptions): Promise<SystemServer>;
}
