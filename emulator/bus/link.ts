import type { Instant } from "../kernel/time.ts";
import type { CanFrame } from "../wire/can-frame.ts";
import type { CanErrorState } from "./error-counters.ts";

/**
 * One node's access to one CAN bus. A virtual bus, a kernel interface and a serial adapter all look like this, and a
 * fault is a decorator around it. (LLC services of ISO 11898-1:2015, 8.3)
 */
export interface CanLink {
  /**
   * L_Data.request. Frames of one node leave in the order given; each is confirmed once by `transmitted`, or once by
   * `aborted` when it will never be sent.
   * @throws {UsageError} for a frame that the link can't carry (FD on a classic bus, a length that no DLC has)
   */
  transmit(frame: CanFrame): void;

  /** Gives up every frame that is not on the wire yet (`aborted` for each). */
  abortAll(): void;

  /**
   * Powers the node's controller, or takes its power away. Without power it neither receives, acknowledges nor sends:
   * frames that wait are forgotten without a word, and one that is on the wire breaks off.
   */
  setActive(active: boolean): void;

  /** Who is told. One listener a link; a second call replaces the first. */
  attach(listener: CanListener): void;
}

export interface CanListener {
  /** L_Data.indication: a frame of another node; `now` is the end of its EOF. */
  received(frame: CanFrame, now: Instant): void;
  /**
   * L_Data.confirm: the very object that was given to `transmit` has been acknowledged on the bus. Comes before anything
   * that another node sends in answer to it is `received`.
   */
  transmitted(frame: CanFrame, now: Instant): void;
  aborted(frame: CanFrame, now: Instant): void;
  /** The node's controller has become error active, error passive or bus-off. Frames that wait are `aborted` behind it. */
  stateChanged?(state: CanErrorState, now: Instant): void;
}

/**
 * One end of a reliable, ordered stream of bytes, such as a TCP connection. Where the pieces are cut means nothing.
 * The client end is opened with `open`; the server end is opened by its client.
 */
export interface StreamLink {
  /** Client end only: asks for a connection; ends in `opened` or `closed`. Harmless while one is open. */
  open(): void;
  /** Bytes sent while no connection is open are lost. The array must not be changed afterwards. */
  send(data: Uint8Array): void;
  /** Ends the connection; both ends are told by `closed`. Harmless when none is open. */
  close(): void;
  attach(listener: StreamListener): void;
}

export interface StreamListener {
  opened(now: Instant): void;
  received(data: Uint8Array, now: Instant): void;
  /** @param reason "local", "remote", "refused", "reset" or "timeout" */
  closed(reason: string, now: Instant): void;
}
