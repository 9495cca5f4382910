import type { Duration, Instant } from "../../../emulator/kernel/time.ts";
import type { JoinKind } from "./device-io.ts";
import type { HeldMessages, LookedUpKeys } from "./held-messages.ts";
import type { SrupIdentity, SrupPartyState } from "./party.ts";
import type { PeerInput, RoleOutput, SendInput } from "./role-io.ts";

export interface SrupServerConfig extends SrupIdentity {
  readonly identification: string;
  readonly keys?: Readonly<Record<string, string>>;
  /** "ask": the application decides. Joins that nobody is asked about are accepted (simple) or failed (the other two). */
  readonly joins?: Partial<Readonly<Record<JoinKind, "ask" | "decide">>>;
  readonly patience?: Partial<SrupServerPatience>;
}

export interface SrupServerPatience {
  /** For the person, the observer, or the application; then the join has failed. */
  readonly join: Duration;
  /** For the key service. */
  readonly key: Duration;
}

export type SrupServerInput =
  | PeerInput
  | SendInput
  /** The key service's answer to `lookUpType`. */
  | { readonly type: "peerType"; readonly peer: string; readonly text: string }
  /** How a join that is waiting ends. */
  | { readonly type: "endJoin"; readonly device: string; readonly outcome: "accept" | "refuse" | "fail" }
  /** Make a one-time value for a join that is waiting, and send it to the device under its key. */
  | { readonly type: "sendJoinValue"; readonly device: string }
  /** Ask another device whether the joining one shows its value. */
  | { readonly type: "askObserver"; readonly observer: string; readonly device: string; readonly value: string }
  | CommandInput
  | SyndicationInput;

/** What a device is told to do. */
export type CommandInput =
  | { readonly type: "initiate"; readonly devices: readonly string[]; readonly url: string; readonly digest: string }
  | { readonly type: "activate"; readonly device: string; readonly token: Uint8Array }
  | { readonly type: "release"; readonly device: string; readonly how: "terminate" | "deregister" }
  | { readonly type: "commandJoin"; readonly device: string };

export type SyndicationInput =
  /** Ask a device of ours to relay between us and the network of that key service. */
  | { readonly type: "syndicationInit"; readonly device: string; readonly url: string; readonly value: string }
  /** The device that relays; undefined ends syndication here without telling anybody. */
  | { readonly type: "syndicationDevice"; readonly device: string | undefined }
  /** As the foreign server: tell the home server of our devices. */
  | { readonly type: "syndicateDevices"; readonly devices: readonly string[] }
  | { readonly type: "syndicatedTerminate" }
  /** As the home server. */
  | { readonly type: "syndicatedAction"; readonly target: string; readonly actionId: number }
  | { readonly type: "syndicatedIdRequest"; readonly target: string }
  | { readonly type: "syndicatedC2Request"; readonly data: Uint8Array; readonly reqId: number }
  | { readonly type: "syndicatedEnd" };

export type SrupServerOutput =
  | RoleOutput
  /** What kind of device it registered as; ends in the input `peerType`. */
  | { readonly type: "lookUpType"; readonly peer: string }
  /** To be ended by `endJoin`. */
  | { readonly type: "joinRequested"; readonly device: string; readonly kind: JoinKind; readonly observer?: string }
  /** To be compared with what the device shows. */
  | { readonly type: "joinValue"; readonly device: string; readonly value: string }
  | { readonly type: "joinEnded"; readonly device: string; readonly outcome: "accept" | "refuse" | "fail" | "timeout" }
  | {
      readonly type: "observation";
      readonly observer: string;
      readonly verdict: "valid" | "invalid" | "fail";
      /** Undefined when this observer was not asked, or the join that it was asked about is over. */
      readonly device: string | undefined;
    }
  /** The device is asked to fetch; its answers carry the token. */
  | { readonly type: "initiated"; readonly device: string; readonly token: Uint8Array }
  /** The device has the file, and its digest is right. `isOurs`: the token is of an INITIATE that we sent. */
  | { readonly type: "updateReady"; readonly device: string; readonly token: Uint8Array; readonly isOurs: boolean }
  | { readonly type: "updateFailed"; readonly device: string; readonly token: Uint8Array; readonly status: number }
  | { readonly type: "left"; readonly device: string; readonly how: "resigned" | "deregistered" | "released" }
  | SyndicationOutput;

export type SyndicationOutput =
  /** A syndication device asks; `syndicationDevice` accepts. Without a value it could not be read. */
  | { readonly type: "syndicationRequested"; readonly device: string; readonly value: string | undefined }
  | { readonly type: "syndicatedDeviceCount"; readonly count: number }
  | { readonly type: "syndicatedDevice"; readonly index: number; readonly device: string }
  | { readonly type: "syndicatedData"; readonly source: string; readonly dataId: string; readonly data: Uint8Array }
  | { readonly type: "syndicatedAction"; readonly target: string; readonly actionId: number }
  | { readonly type: "syndicatedIdRequest"; readonly target: string }
  | { readonly type: "syndicatedC2Request"; readonly data: Uint8Array; readonly reqId: number }
  | { readonly type: "syndicationEnded"; readonly by: "home" | "foreign" };

interface PendingServerJoin {
  readonly kind: JoinKind;
  /** The token that its answer will carry; hexadecimal. */
  readonly token: string;
  readonly deadline: Instant;
}

/** The observer's answer carries the token; both tokens are hexadecimal. */
interface ServerObservation {
  readonly observer: string;
  readonly token: string;
  /** That of the join which was asked about. */
  readonly join: string | undefined;
}

export interface SyndicationState {
  /** Syndicated messages are taken, and, at the foreign server, our devices' data is passed on. */
  readonly active: boolean;
  /** The device that relays. */
  readonly device: string | undefined;
  /** We are the server that commands the other's devices. */
  readonly isHome: boolean;
}

/** Plain data: all that a server remembers. */
export interface SrupServerState {
  readonly party: SrupPartyState;
  /** Joined devices, in the order in which they joined. */
  readonly joined: readonly string[];
  /** What the devices registered as. */
  readonly types: Readonly<Record<string, string>>;
  readonly joins: Readonly<Record<string, PendingServerJoin>>;
  /** Who has been asked about the device that wants to join, by that device. */
  readonly observations: Readonly<Record<string, ServerObservation>>;
  /** Updates that a device has been asked to fetch and has not answered, or has fetched: token by device. */
  readonly updates: Readonly<Record<string, string>>;
  readonly syndication: SyndicationState;
  readonly held: HeldMessages;
  readonly lookedUp: LookedUpKeys;
}
