import type { CanErrorState } from "../bus/error-counters.ts";
import type { CanLink, CanListener } from "../bus/link.ts";
import type { Stateful } from "../kernel/machine.ts";
import type { Instant } from "../kernel/time.ts";
import type { CanFrame } from "../wire/can-frame.ts";

export interface UnsegmentedSenderState {
  readonly pending: readonly CanFrame[];
}

/**
 * Sends single frames past the transport layer of a node (UUDT messages of ISO 14229-3:2022). It stands between that layer
 * and the link, and keeps the confirmations of its own frames to itself.
 */
export class UnsegmentedSender implements CanLink, CanListener, Stateful<UnsegmentedSenderState> {
  readonly #link: CanLink;
  readonly #pendingMax: number;
  #listener: CanListener | undefined;
  #pending: readonly CanFrame[] = [];

  /** @param pendingMax frames that wait for the bus; what comes when there are so many is not sent */
  constructor(link: CanLink, pendingMax: number) {
    this.#link = link;
    this.#pendingMax = pendingMax;
    link.attach(this);
  }

  send(frame: CanFrame): void {
    if (this.#pending.length >= this.#pendingMax) return;
    this.#pending = [...this.#pending, frame];
    this.#link.transmit(frame);
  }

  transmit(frame: CanFrame): void {
    this.#link.transmit(frame);
  }

  abortAll(): void {
    this.#link.abortAll();
  }

  setActive(active: boolean): void {
    if (!active) this.#pending = [];
    this.#link.setActive(active);
  }

  attach(listener: CanListener): void {
    this.#listener = listener;
  }

  received(frame: CanFrame, now: Instant): void {
    this.#listener?.received(frame, now);
  }

  transmitted(frame: CanFrame, now: Instant): void {
    if (!this.#forgets(frame)) this.#listener?.transmitted(frame, now);
  }

  aborted(frame: CanFrame, now: Instant): void {
    if (!this.#forgets(frame)) this.#listener?.aborted(frame, now);
  }

  stateChanged(state: CanErrorState, now: Instant): void {
    this.#listener?.stateChanged?.(state, now);
  }

  save(): UnsegmentedSenderState {
    return { pending: this.#pending };
  }

  load(state: UnsegmentedSenderState): void {
    this.#pending = state.pending;
  }

  /** @returns whether the frame is one of ours */
  #forgets(frame: CanFrame): boolean {
    if (!this.#pending.includes(frame)) return false;
    this.#pending = this.#pending.filter((each) => each !== frame);
    return true;
  }
}
