import type { Instant } from "../kernel/time.ts";
import { Nrc, POSITIVE_RESPONSE_OFFSET, Session } from "../wire/uds.ts";
import { type AuthenticationMemory, NOT_AUTHENTICATED } from "./authentication/memory.ts";
import type { UdsConfig } from "./config.ts";
import { type DataState, freshDataState } from "./data-state.ts";
import { stopped, type UdsEvent } from "./events/event.ts";
import type { Access, UdsHost, Work } from "./host.ts";
import type { Envelope } from "./secured/envelope.ts";

/** A download between 34 and 37. */
interface Download {
  readonly address: number;
  readonly size: number;
  readonly received: number;
  /** blockSequenceCounter of the last block that was taken; 0 before the first. */
  readonly lastCounter: number;
  /** How many blocks were taken. */
  readonly blocks: number;
}

/** What a server remembers between requests. Lost with the power. */
export interface ServerMemory extends DataState {
  session: Session;
  unlocked: boolean;
  /** The seed that a key is waited for. */
  seed: number | undefined;
  download: Download | undefined;
  /** 11 04 was asked for. */
  rapidPowerShutDown: boolean;
  link: LinkMemory;
  authentication: AuthenticationMemory;
  /** 0x86: those that were set up. */
  events: readonly UdsEvent[];
}

/** 0x87: bit/s. */
interface LinkMemory {
  readonly verified?: number;
  /** Gone over to; else it is as the bus has it. */
  readonly bitRate?: number;
}

export const freshMemory = (): ServerMemory => ({
  session: Session.Default,
  unlocked: false,
  seed: undefined,
  download: undefined,
  rapidPowerShutDown: false,
  link: {},
  authentication: NOT_AUTHENTICATED,
  ...freshDataState(),
  events: [],
});

/** Every transition, also into the session that is active, locks security and ends a download. (Figure 7) */
export function enterSession(memory: ServerMemory, session: Session): void {
  memory.session = session;
  memory.unlocked = false;
  memory.seed = undefined;
  memory.download = undefined;
  memory.events = memory.events.map(stopped);
  if (session !== Session.Default) return;
  memory.link = {};
  memory.authentication = NOT_AUTHENTICATED;
}

/** The resetTypes that reset. (ISO 14229-1:2020, Table 34) */
export const ResetType = { HardReset: 0x01, KeyOffOnReset: 0x02, SoftReset: 0x03 } as const;
export type ResetType = (typeof ResetType)[keyof typeof ResetType];

export interface ServiceContext {
  readonly now: Instant;
  readonly config: UdsConfig;
  readonly host: UdsHost;
  readonly memory: ServerMemory;
}

/** What a service answers. */
export type Answer =
  | { readonly type: "negative"; readonly nrc: number }
  /** `positive` is the whole response; `reset` follows when it is on the wire. */
  | { readonly type: "positive"; readonly response: Uint8Array; readonly reset?: ResetType }
  /** `response` is completed by the record that the work ends with. */
  | { readonly type: "busy"; readonly until: Instant; readonly response: Uint8Array; readonly reset?: ResetType }
  /** When `work` is done the server carries out `request`, and answers in that envelope. */
  | { readonly type: "inner"; readonly work: Work; readonly request: Uint8Array; readonly envelope: Envelope };

/**
 * What the second byte of a request is: nothing special; a sub-function with suppressPosRspMsgIndicationBit, of those
 * named, in the sessions named; or a sub-function that the service checks for itself.
 */
type SubFunctions = "none" | "own" | ReadonlyMap<number, readonly Session[]>;

/** One diagnostic service. The server has checked `sessions`, `unlocked` and `subFunctions` before it runs. */
export interface Service {
  readonly sid: number;
  readonly sessions: readonly Session[];
  /** The service as a whole needs security access. */
  readonly unlocked: boolean;
  /** May be asked for by functional addressing. */
  readonly functional: boolean;
  readonly subFunctions: SubFunctions;
  /** Whether that ECU has it; every one if left out. */
  offered?(host: UdsHost): boolean;
  run(request: Uint8Array, context: ServiceContext): Answer;
  /** What the end of the work that `run` left "busy" leads to: another piece of work, or the answer. */
  next?(outcome: Work, context: ServiceContext): Answer;
  /** The work that `run` left "busy" has ended. */
  ended?(succeeded: boolean, context: ServiceContext): void;
}

export const ALL_SESSIONS: readonly Session[] = [Session.Default, Session.Programming, Session.Extended];
export const NON_DEFAULT: readonly Session[] = [Session.Programming, Session.Extended];
export const PROGRAMMING: readonly Session[] = [Session.Programming];

export const negative = (nrc: Nrc): Answer => ({ type: "negative", nrc });
export const WRONG_LENGTH: Answer = negative(Nrc.IncorrectMessageLengthOrInvalidFormat);

export function positive(sid: number, ...rest: readonly number[]): Answer {
  return { type: "positive", response: Uint8Array.of(sid + POSITIVE_RESPONSE_OFFSET, ...rest) };
}

/** The answer to a request that the host worked on; `rest` is the fixed part of its positive response. */
export function fromWork(work: Work, sid: number, rest: readonly number[], reset?: ResetType): Answer {
  const response = Uint8Array.of(sid + POSITIVE_RESPONSE_OFFSET, ...rest);
  const after = reset === undefined ? {} : { reset };
  switch (work.type) {
    case "refused":
      return { type: "negative", nrc: work.nrc };
    case "busy":
      return { type: "busy", until: work.until, response, ...after };
    case "done":
      return { type: "positive", response: joined(response, work.record), ...after };
  }
}

export function joined(first: Uint8Array, second: Uint8Array): Uint8Array {
  if (second.length === 0) return first;
  const whole = new Uint8Array(first.length + second.length);
  whole.set(first);
  whole.set(second, first.length);
  return whole;
}

export const uint16 = (data: Uint8Array, offset: number): number =>
  (data[offset] as number) * 0x100 + (data[offset + 1] as number);

export const uint24 = (data: Uint8Array, offset: number): number =>
  uint16(data, offset) * 0x100 + (data[offset + 2] as number);

/** Why a DID or RID can't be used now: its session first (NRC 0x31), then its security. */
export function accessNrc(access: Access | undefined, memory: ServerMemory): Nrc | undefined {
  if (access === undefined || !access.sessions.includes(memory.session)) return Nrc.RequestOutOfRange;
  if (access.unlocked && !memory.unlocked) return Nrc.SecurityAccessDenied;
  return undefined;
}
