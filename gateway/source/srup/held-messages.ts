import { type Duration, earliest, type Instant, plus } from "../../../emulator/kernel/time.ts";

/** A message that waits for the key of its sender. */
export interface HeldMessage {
  readonly peer: string;
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly deadline: Instant;
}

const HELD_MAX = 64;
/** Of one peer, so that forged ones leave room for the true one's. */
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
  const ofPeer = held.filter(({ peer }) => peer === message.peer).length;
  if (held.length >= HELD_MAX || ofPeer >= HELD_OF_PEER_MAX) return undefined;
  return [...held, { ...message, payload: message.payload.slice(), deadline: plus(now, patience) }];
}

export const heldDeadline = (held: HeldMessages): Instant | undefined =>
  earliest(...held.map(({ deadline }) => deadline));

/** Whose keys are being asked for. */
export const heldPeers = (held: HeldMessages): ReadonlySet<string> => new Set(held.map(({ peer }) => peer));
