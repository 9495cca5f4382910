import type { Duration, Instant } from "../../../emulator/kernel/time.ts";
import type { HeldMessages } from "./held-messages.ts";
import type { SrupIdentity, SrupPartyState } from "./party.ts";
import type { PeerInput, RoleOutput, SendInput } from "./role-io.ts";
import type { SrupMessage } from "./srup-message.ts";

/** Ways to join a server: at once, confirmed by a person, or confirmed by another device. */
export type JoinKind = "simple" | "human" | "observed";

export interface SrupDeviceConfig extends SrupIdentity {
  /** What it answers to an ID_REQUEST. */
  readonly identification: string;
  /** The server it begins with, usually the one that the key service named. */
  readonly server?: string;
  /** Keys that it has from the beginning. */
  readonly keys?: Readonly<Record<string, string>>;
  /**
   * Servers that may take the device away from another one by JOIN_COMMAND. Any server may command a device that has
   * none, or that it has already.
   */
  readonly takeover?: readonly string[] | "anyone";
  /** Side of a syndication device; a plain device refuses syndicated messages. */
  readonly syndication?: "home" | "away";
  readonly patience?: Partial<SrupDevicePatience>;
}

/** How long is waited before it counts as failed. */
export interface SrupDevicePatience {
  /** For the answer of the server, a person and an observer included. */
  readonly join: Duration;
  /** For the key service. */
  readonly key: Duration;
  readonly download: Duration;
}

/**
 * Why a file could not be had, and the status that says so:
 * - "unreachable", "timeout": 0xFD
 * - "status" (4xx, 5xx), "storage": 0xFE
 * - "url" (none that could be fetched, or redirected too often), "tooLarge", "protocol": 0xFC
 */
export type DownloadFailure = "unreachable" | "timeout" | "status" | "storage" | "url" | "tooLarge" | "protocol";

export type SrupDeviceInput =
  | PeerInput
  | SendInput
  /** Said again, it is asked again, under the next number: the server's may be ahead of ours. */
  | { readonly type: "join"; readonly kind: "simple" | "human" }
  | { readonly type: "join"; readonly kind: "observed"; readonly observer: string }
  /** What the observer found out about the device that wants to join. */
  | { readonly type: "observed"; readonly device: string; readonly verdict: "valid" | "invalid" | "fail" }
  /** SHA-256 of the whole file, lower-case hexadecimal. */
  | { readonly type: "downloaded"; readonly download: number; readonly digest: string }
  | { readonly type: "downloadFailed"; readonly download: number; readonly failure: DownloadFailure }
  /**
   * The process is another one, and what the last one was fetching is lost; of what it had fetched, only these files are
   * left. The server is told of those that are not, and of installations that nobody has reported, when we ask to join.
   */
  | { readonly type: "restarted"; readonly fetched: readonly number[] }
  | { readonly type: "resign" }
  | { readonly type: "deregister" }
  /** Of a syndication device: the message as it came from the other side, token and all. */
  | { readonly type: "relay"; readonly message: SrupMessage }
  /** Of a syndication device: ask the foreign server for syndication. */
  | { readonly type: "syndicate"; readonly value: string };

export type SrupDeviceOutput =
  | RoleOutput
  | { readonly type: "joined"; readonly server: string }
  /** "refused" asks to try again; "failed" does not. */
  | { readonly type: "notJoined"; readonly server: string; readonly outcome: "refused" | "failed" | "timeout" | "key" }
  /** To be shown, so that the person or the observer can compare it. */
  | { readonly type: "joinValue"; readonly value: string }
  /** Look at that device, and tell by `observed` whether it shows the value. */
  | { readonly type: "observe"; readonly device: string; readonly value: string | undefined }
  /** Fetch the file; ends in `downloaded` or `downloadFailed`. */
  | { readonly type: "download"; readonly download: number; readonly url: string }
  /** Not wanted any more. */
  | { readonly type: "abandon"; readonly download: number }
  /** Install what that download fetched. */
  | { readonly type: "activate"; readonly download: number; readonly token: Uint8Array }
  /** We have another server, or none. "join": we had none, and have asked our first one again. */
  | {
      readonly type: "server";
      readonly server: string | undefined;
      readonly cause: "command" | "released" | "left" | "join";
    }
  /** Of a syndication device: to be passed on. */
  | { readonly type: "relay"; readonly message: SrupMessage }
  /** Of a syndication device's home side: register with that key service; without a value ours can't be read. */
  | { readonly type: "syndicationInit"; readonly url: string; readonly value: string | undefined };

/** One file that a server wants us to have. The token is hexadecimal. */
export interface PendingDownload {
  readonly download: number;
  readonly server: string;
  readonly token: string;
  readonly digest: string;
  readonly url: string;
}

/** Plain data: the files that servers want the device to have. */
export interface DeviceUpdatesState {
  /** The first one is under way until `downloadDeadline`. */
  readonly downloads: readonly PendingDownload[];
  readonly downloadDeadline: Instant | undefined;
  /** How many downloads there have been; the next one's number. */
  readonly downloadCount: number;
  /** The fetched update of each server that may be activated: its token and download. */
  readonly open: Readonly<Record<string, { readonly token: string; readonly download: number }>>;
  /** Tokens of what each server had activated last, until it is told how that went. */
  readonly activated: Readonly<Record<string, string>>;
  /** What was lost with an earlier process, and its server has not been told of. */
  readonly owed: readonly { readonly server: string; readonly token: string; readonly status: number }[];
}

interface PendingJoin {
  readonly kind: JoinKind;
  readonly observer: string | undefined;
  readonly stage: "key" | "asked";
  readonly deadline: Instant;
}

/** Plain data: all that a device remembers. */
export interface SrupDeviceState {
  readonly party: SrupPartyState;
  readonly server: string | undefined;
  readonly join: PendingJoin | undefined;
  readonly updates: DeviceUpdatesState;
  /** Tokens of observation requests that have not been answered, by the device to be looked at. */
  readonly observations: Readonly<Record<string, { readonly server: string; readonly token: string }>>;
  readonly held: HeldMessages;
}
