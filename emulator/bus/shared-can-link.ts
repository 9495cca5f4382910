import { UsageError } from "../kernel/errors.ts";
import type { Stateful } from "../kernel/machine.ts";
import type { Instant } from "../kernel/time.ts";
import type { Timeline } from "../kernel/timeline.ts";
import { type CanFrame, canFrameFault } from "../wire/can-frame.ts";
import type { CanErrorState } from "./error-counters.ts";
import type { CanLink, CanListener } from "./link.ts";

interface Waiting {
  readonly frame: CanFrame;
  readonly port: number;
}

export interface SharedCanLinkState {
  readonly inFlight: Waiting | undefined;
  readonly waiting: readonly Waiting[];
}

/**
 * One link for several users of the same node, such as its diagnostics and its application. All of them receive everything;
 * frames leave in the order in which they were asked for, one at a time, so that a user takes back none but its own.
 */
export class SharedCanLink implements Stateful<SharedCanLinkState>, CanListener {
  readonly #inner: CanLink;
  readonly #timeline: Pick<Timeline, "now">;
  readonly #listeners: (CanListener | undefined)[] = [];
  #inFlight: Waiting | undefined;
  #waiting: Waiting[] = [];

  constructor(inner: CanLink, timeline: Pick<Timeline, "now">) {
    this.#inner = inner;
    this.#timeline = timeline;
    inner.attach(this);
  }

  /** To be called while the bench is being built. `setActive` of any port switches the whole node. */
  port(): CanLink {
    const port = this.#listeners.length;
    this.#listeners.push(undefined);
    return {
      transmit: (frame) => this.#transmit({ frame, port }),
      abortAll: () => this.#abort(port),
      setActive: (active) => this.#setActive(active),
      attach: (listener) => {
        this.#listeners[port] = listener;
      },
    };
  }

  /** Whether a frame with that identifier has not been sent yet. */
  isWaiting({ id, flags }: CanFrame): boolean {
    const same = ({ frame }: Waiting): boolean => frame.id === id && frame.flags === flags;
    return (this.#inFlight !== undefined && same(this.#inFlight)) || this.#waiting.some(same);
  }

  received(frame: CanFrame, now: Instant): void {
    for (const listener of this.#listeners) listener?.received(frame, now);
  }

  transmitted(frame: CanFrame, now: Instant): void {
    const done = this.#done(frame);
    if (done !== undefined) this.#listeners[done.port]?.transmitted(frame, now);
    this.#next();
  }

  aborted(frame: CanFrame, now: Instant): void {
    const done = this.#done(frame);
    if (done !== undefined) this.#listeners[done.port]?.aborted(frame, now);
    this.#next();
  }

  stateChanged(state: CanErrorState, now: Instant): void {
    for (const listener of this.#listeners) listener?.stateChanged?.(state, now);
  }

  save(): SharedCanLinkState {
    return { inFlight: this.#inFlight, waiting: [...this.#waiting] };
  }

  load(state: SharedCanLinkState): void {
    this.#inFlight = state.inFlight;
    this.#waiting = [...state.waiting];
  }

  /** One that no link can carry is refused at once, another one when its turn comes. */
  #transmit(waiting: Waiting): void {
    const fault = canFrameFault(waiting.frame);
    if (fault !== undefined) throw new UsageError(fault);
    this.#waiting.push(waiting);
    this.#next();
  }

  #next(): void {
    while (this.#inFlight === undefined && this.#waiting.length > 0) {
      this.#send(this.#waiting.shift() as Waiting);
    }
  }

  /** A frame that the link can't carry is the fault of who gave it; the others go on. */
  #send(next: Waiting): void {
    this.#inFlight = next;
    let taken = false;
    try {
      this.#inner.transmit(next.frame); // may call `aborted` before it returns
      taken = true;
    } finally {
      if (!taken) this.#inFlight = undefined;
    }
  }

  #done(frame: CanFrame): Waiting | undefined {
    const done = this.#inFlight;
    if (done?.frame !== frame) return undefined;
    this.#inFlight = undefined;
    return done;
  }

  #abort(port: number): void {
    const mine = this.#waiting.filter((each) => each.port === port);
    this.#waiting = this.#waiting.filter((each) => each.port !== port);
    if (this.#inFlight?.port === port) this.#inner.abortAll(); // comes back as `aborted`
    for (const { frame } of mine) this.#listeners[port]?.aborted(frame, this.#timeline.now);
  }

  #setActive(active: boolean): void {
    this.#inFlight = undefined;
    this.#waiting = [];
    this.#inner.setActive(active);
  }
}
