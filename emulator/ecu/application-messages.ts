import type { Stateful } from "../kernel/machine.ts";
import { type Duration, earliest, type Instant, plus } from "../kernel/time.ts";
import type { CommunicationHost, MessageKinds } from "../uds/host-communication.ts";
import { CanFlag, type CanFrame } from "../wire/can-frame.ts";

interface MessageId {
  readonly id: number;
  /** A 29-bit identifier. */
  readonly extended: boolean;
}

/** A frame that the application sends for as long as it runs. */
interface CyclicMessage extends MessageId {
  readonly period: Duration;
  /** Up to 7 bytes behind the counter, which is the first byte: it goes from FF to 00. */
  readonly data: Uint8Array;
}

/** A frame of another node that the application needs. */
interface SupervisedMessage extends MessageId {
  /** How long it may be missing; then, and after each further such time, the test of `dtc` fails. */
  readonly timeout: Duration;
  readonly dtc: number;
}

/** What the application sends and receives apart from diagnostics. Plain data. */
export interface MessagesConfig {
  readonly cyclic: readonly CyclicMessage[];
  readonly supervised: readonly SupervisedMessage[];
  /** For 28 04 and 28 05; undefined: the ECU has none. */
  readonly nodeIdentificationNumber?: number;
}

export interface ApplicationMessagesState {
  readonly running: boolean;
  /** Of the normal messages; the ECU has none for network management. */
  readonly receives: boolean;
  readonly transmits: boolean;
  /** By the order of the configuration: when the next is sent; the value of its counter; when one is missed. */
  readonly sendAt: readonly (Instant | undefined)[];
  readonly counters: readonly number[];
  readonly missedAt: readonly (Instant | undefined)[];
  readonly outbox: readonly CanFrame[];
}

/**
 * The application's own messages: that they are on the bus is how others see it alive. CommunicationControl stops and
 * starts them. What is missed while reception is off is no fault.
 */
export class ApplicationMessages implements CommunicationHost, Stateful<ApplicationMessagesState> {
  readonly nodeIdentificationNumber: number | undefined;
  readonly #config: MessagesConfig;
  readonly #report: (dtc: number, failed: boolean, now: Instant) => void;
  #running = false;
  #receives = true;
  #transmits = true;
  #sendAt: readonly (Instant | undefined)[] = [];
  #counters: readonly number[];
  #missedAt: readonly (Instant | undefined)[] = [];
  #outbox: CanFrame[] = [];

  constructor(config: MessagesConfig, report: (dtc: number, failed: boolean, now: Instant) => void) {
    this.#config = config;
    this.#report = report;
    this.nodeIdentificationNumber = config.nodeIdentificationNumber;
    this.#counters = config.cyclic.map(() => 0);
  }

  get deadline(): Instant | undefined {
    return earliest(...this.#sendAt, ...this.#missedAt);
  }

  /** The application runs. */
  begin(now: Instant): void {
    this.#running = true;
    this.#schedule(now);
  }

  /** A reset, or the power goes. */
  stop(): void {
    this.#running = false;
    this.#receives = true;
    this.#transmits = true;
    this.#sendAt = [];
    this.#missedAt = [];
    this.#counters = this.#config.cyclic.map(() => 0);
    this.#outbox = [];
  }

  control({ normal }: MessageKinds, receive: boolean, transmit: boolean, now: Instant): void {
    if (!normal) return;
    this.#receives = receive;
    this.#transmits = transmit;
    this.#schedule(now);
  }

  sessionEnded(now: Instant): void {
    this.control({ normal: true, networkManagement: true }, true, true, now);
  }

  received(frame: CanFrame, now: Instant): void {
    if (!this.#running || !this.#receives) return;
    this.#missedAt = this.#missedAt.map((missedAt, index) => {
      const message = this.#config.supervised[index] as SupervisedMessage;
      if (frame.id !== message.id || ((frame.flags & CanFlag.Extended) !== 0) !== message.extended) return missedAt;
      this.#report(message.dtc, false, now);
      return plus(now, message.timeout);
    });
  }

  handleDeadline(now: Instant): void {
    this.#sendAt = this.#sendAt.map((sendAt, index) => {
      if (sendAt === undefined || sendAt > now) return sendAt;
      this.#send(index);
      return plus(now, (this.#config.cyclic[index] as CyclicMessage).period);
    });
    this.#missedAt = this.#missedAt.map((missedAt, index) => {
      if (missedAt === undefined || missedAt > now) return missedAt;
      const { dtc, timeout } = this.#config.supervised[index] as SupervisedMessage;
      this.#report(dtc, true, now);
      return plus(now, timeout);
    });
  }

  poll(): CanFrame | undefined {
    return this.#outbox.shift();
  }

  save(): ApplicationMessagesState {
    return {
      running: this.#running,
      receives: this.#receives,
      transmits: this.#transmits,
      sendAt: this.#sendAt,
      counters: this.#counters,
      missedAt: this.#missedAt,
      outbox: [...this.#outbox],
    };
  }

  load(state: ApplicationMessagesState): void {
    this.#running = state.running;
    this.#receives = state.receives;
    this.#transmits = state.transmits;
    this.#sendAt = state.sendAt;
    this.#counters = state.counters;
    this.#missedAt = state.missedAt;
    this.#outbox = [...state.outbox];
  }

  /** What goes on goes on; what begins, begins with a whole period. */
  #schedule(now: Instant): void {
    const sends = this.#running && this.#transmits;
    const supervises = this.#running && this.#receives;
    this.#sendAt = this.#config.cyclic.map(({ period }, index) =>
      sends ? (this.#sendAt[index] ?? plus(now, period)) : undefined,
    );
    this.#missedAt = this.#config.supervised.map(({ timeout }, index) =>
      supervises ? (this.#missedAt[index] ?? plus(now, timeout)) : undefined,
    );
  }

  #send(index: number): void {
    const { id, extended, data } = this.#config.cyclic[index] as CyclicMessage;
    const counter = this.#counters[index] as number;
    this.#counters = this.#counters.with(index, (counter + 1) & 0xff);
    this.#outbox.push({ id, flags: extended ? CanFlag.Extended : 0, data: Uint8Array.of(counter, ...data) });
  }
}
