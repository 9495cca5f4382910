import { type Instant, plus } from "../kernel/time.ts";
import type { Misbehaviour } from "./host.ts";
import type { Envelope } from "./secured/envelope.ts";
import type { Answer, ResetType } from "./service.ts";

/** How a request came. */
export interface Came {
  readonly functional: boolean;
  /** When the next 0x78 goes out. */
  readonly pendingAt: Instant;
  readonly pendingSent: boolean;
  /** It came inside 0x84, and so does its answer. */
  readonly envelope: Envelope | undefined;
}

/** How a request came, and how it is answered. */
export interface Asked extends Came {
  readonly suppress: boolean;
  /** A misbehaviour: its answer does not go out before that. */
  readonly heldUntil: Instant | undefined;
  /** A misbehaviour: its answer repeats another byte than it should. */
  readonly wrongEcho: boolean;
}

/** A request that the host works on. */
export interface InProgress extends Asked {
  readonly sid: number;
  /** What it becomes when the work is done. */
  readonly inner: Uint8Array | undefined;
  /** The positive response, but for the record that the work ends with. */
  readonly response: Uint8Array;
  readonly reset: ResetType | undefined;
  readonly until: Instant;
  /** The work is done, and this is kept back. */
  readonly held: Answer | undefined;
}

/** Later than any run ends. */
const NEVER = Number.MAX_SAFE_INTEGER as Instant;

/** What a misbehaviour does in place of the request; undefined when the request is carried out. */
export function insteadOf(misbehaviour: Misbehaviour | undefined, request: Uint8Array): Answer | undefined {
  if (misbehaviour?.type === "refuse") return { type: "negative", nrc: misbehaviour.nrc };
  return misbehaviour?.type === "pendingForever" ? { type: "busy", response: request, until: NEVER } : undefined;
}

/** What a misbehaviour does to the answer of a request that is carried out. @param p2End when P2Server ends */
export function oddities(
  misbehaviour: Misbehaviour | undefined,
  p2End: Instant,
): Pick<Asked, "heldUntil" | "wrongEcho"> & Partial<Pick<Asked, "pendingAt">> {
  const wrongEcho = misbehaviour?.type === "wrongEcho";
  if (misbehaviour?.type !== "late") return { heldUntil: undefined, wrongEcho };
  return { heldUntil: plus(p2End, misbehaviour.by), wrongEcho, pendingAt: NEVER };
}

/** The positive response as it goes out. */
export function echoing(response: Uint8Array, { wrongEcho }: Asked): Uint8Array {
  if (!wrongEcho || response.length < 2) return response;
  const wrong = response.slice();
  wrong[1] = (wrong[1] as number) + 1;
  return wrong;
}
