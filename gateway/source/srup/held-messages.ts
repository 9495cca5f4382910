import { type Duration, earliest, type Instant, plus } from "../../../emulator/kernel/time.ts";

/** A message that waits for the key of its sender. */
export interface HeldMessage {
  readonly peer: string;
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly deadline: Instant;
}

const HELD_MAX = 64;
/**
 * Of one peer: as many of the first as of the last ones that came. So neither forged ones that came before the true one keep
 * it out, however many, nor those that come once the true one could be seen.
 */
const HELD_OF_PEER_MAX = 8;

/** Messages whose senders' keys are being asked for, in the order in which they came. Plain data, limited. */
export type HeldMessages = readonly HeldMessage[];

/** @returns undefined when too many wait already */
export function hold(
  held: HeldMessages,
  message: Omit<HeldMessage, "deadline">,
  patience: Duration,
  now: Instant,
): HeldMessages | undefined {
  const ofPeer = held.filter(({ peer }) => peer === message.peer);
  const isFull = ofPeer.length >= HELD_OF_PEER_MAX;
  const kept = isFull ? held.filter((each) => each !== ofPeer[HELD_OF_PEER_MAX / 2]) : held;
  if (kept.length >= HELD_MAX) return undefined;
  return [...kept, { ...message, payload: message.payload.slice(), deadline: plus(now, patience) }];
}

export const heldDeadline = (held: HeldMessages): Instant | undefined =>
  earliest(...held.map(({ deadline }) => deadline));

/** Keys that the key service gave, and that nobody has signed anything with yet. */
export type LookedUpKeys = Readonly<Record<string, string>>;
const LOOKED_UP_MAX = 256;

/** The newest few: whoever forges a peer's messages has its key asked for once, and takes no place in the queue again. */
export function lookedUp(keys: LookedUpKeys, peer: string, key: string): LookedUpKeys {
  const others = Object.entries(keys).filter(([each]) => each !== peer);
  return Object.fromEntries([...others.slice(1 - LOOKED_UP_MAX), [peer, key]]);
}

export function withoutKey(keys: LookedUpKeys, peer: string): LookedUpKeys {
  const { [peer]: _, ...others } = keys;
  return others;
}

/** Whose keys are being asked for. */
export const heldPeers = (held: HeldMessages): ReadonlySet<string> => new Set(held.map(({ peer }) => peer));
