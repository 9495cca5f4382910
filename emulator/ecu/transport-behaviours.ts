import type { ReceptionFault, SendingFault } from "../isotp/misbehaviour.ts";

/** Which segmented messages a misbehaviour strikes. */
interface TransferMatch {
  /** Service of the request that comes in or is answered; any when left out. */
  readonly sid?: number;
  /** The first transfer that is struck, counted over those that match, 1 first; the first one when left out. */
  readonly occurrence?: number;
  /** How many are struck from there on; one when left out. */
  readonly times?: number;
}

/** What the transport layer of an ECU does wrong on purpose: to requests that come in, or to responses that go out. */
export type ReceptionBehaviour = TransferMatch & ReceptionFault;
export type SendingBehaviour = TransferMatch & SendingFault;
