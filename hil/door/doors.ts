import type { Instant } from "../../emulator/kernel/time.ts";
import type { World } from "../../emulator/kernel/world.ts";
import type { Outside } from "../clock/clock.ts";
import type { RefusalCode, Refuse, Session, Wire } from "./session.ts";

/** What carries the bytes of a program outside. */
export type DoorKind = "socketcand" | "slcan" | "pty" | "doip";

/** How a session begins; called on the timeline. */
export type OpenSession = (wire: Wire, refuse: Refuse) => Session;

/** What the driver of one connection tells the vehicle. */
export interface DoorClient {
  /** @param data is kept, and must not be changed */
  feed(data: Uint8Array): void;
  /** The program has gone; what it has sent before still counts. */
  gone(): void;
  /** Bytes that were fed and are not handed in yet. */
  readonly backlog: number;
}

/** Something was dropped. `count` is how often that has happened to that client. */
export interface Refusal {
  readonly place: string;
  readonly door: DoorKind;
  readonly client: number;
  readonly code: RefusalCode;
  readonly reason: string;
  readonly count: number;
}

/** So much is handed in at once, bytes. */
const PIECE_MAX = 4096;
const NO_CLIENT = 0;

interface Entry {
  readonly number: number;
  readonly place: string;
  readonly door: DoorKind;
  readonly wire: Wire;
  readonly open: OpenSession;
  readonly drained: () => void;
  readonly pieces: Uint8Array[];
  readonly refusals: Map<RefusalCode, number>;
  backlog: number;
  isGone: boolean;
  session: Session | undefined;
  isOver: boolean;
}

/**
 * All programs outside, as one source of inputs. Inputs are handed in one by one, the clients taking turns, and each is
 * recorded in the trace with the instant at which it came: a run with people at its doors can be told again.
 */
export class Doors implements Outside {
  /** The run ends when somebody says so, not when nothing is left to happen. */
  readonly busy = true;
  readonly counts = new Map<RefusalCode, number>();
  readonly #world: World;
  readonly #onRefusal: (refusal: Refusal) => void;
  /** Of those that were not let in, by place, door and code. */
  readonly #turnedAway = new Map<string, number>();
  /** In the order of their turns. */
  #entries: Entry[] = [];
  #opened = 0;
  #wake: () => void = () => {};

  constructor(world: World, onRefusal: (refusal: Refusal) => void = () => {}) {
    this.#world = world;
    this.#onRefusal = onRefusal;
  }

  /** How many programs have been connected so far. */
  get clients(): number {
    return this.#opened;
  }

  /**
   * A program has connected.
   * @param place what the door leads to: a bus, a gateway; "buses" when the program will say it
   * @param drained called when what was fed has been handed in
   */
  connect(place: string, door: DoorKind, wire: Wire, open: OpenSession, drained = (): void => {}): DoorClient {
    const entry: Entry = {
      number: ++this.#opened,
      place,
      door,
      wire,
      open,
      drained,
      pieces: [],
      refusals: new Map(),
      backlog: 0,
      isGone: false,
      session: undefined,
      isOver: false,
    };
    this.#entries.push(entry);
    this.#wake();
    return {
      feed: (data) => {
        entry.backlog += data.length;
        for (let at = 0; at < data.length; at += PIECE_MAX) entry.pieces.push(data.subarray(at, at + PIECE_MAX));
        this.#wake();
      },
      gone: () => {
        entry.isGone = true;
        this.#wake();
      },
      get backlog() {
        return entry.backlog;
      },
    };
  }

  /** Something was dropped that belongs to no client; all those of a door count as one. */
  refuse(place: string, door: DoorKind, code: RefusalCode, reason: string): void {
    const key = `${place} ${door} ${code}`;
    const count = (this.#turnedAway.get(key) ?? 0) + 1;
    this.#turnedAway.set(key, count);
    this.#world.trace.record(this.#now, place, "door.refused", { client: NO_CLIENT, code, reason });
    this.#count({ place, door, client: NO_CLIENT, code, reason, count });
  }

  deliver(): boolean {
    for (const [index, entry] of this.#entries.entries()) {
      if (!this.#handIn(entry)) continue;
      this.#entries.splice(index, 1);
      if (!entry.isOver) this.#entries.push(entry);
      return true;
    }
    return false;
  }

  async arrival(timeoutMs: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, timeoutMs);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#wake = () => {};
  }

  /** Ends a wait: something that is not an input has changed. */
  stir(): void {
    this.#wake();
  }

  /** One input of one client; false when it has none that can be taken now. */
  #handIn(entry: Entry): boolean {
    const { session, number: client } = entry;
    if (session === undefined) {
      this.#world.trace.record(this.#now, entry.place, "door.opened", { door: entry.door, client });
      entry.session = entry.open(entry.wire, (code, reason) => this.#refused(entry, code, reason));
      return true;
    }
    const piece = entry.pieces[0];
    if (piece !== undefined && session.ready) {
      entry.pieces.shift();
      entry.backlog -= piece.length;
      this.#world.trace.record(this.#now, entry.place, "door.input", { client, data: piece });
      session.received(piece);
      if (entry.pieces.length === 0) entry.drained();
      return true;
    }
    if (!entry.isGone) return false;
    this.#world.trace.record(this.#now, entry.place, "door.closed", { client });
    session.closed();
    entry.isOver = true;
    return true;
  }

  get #now(): Instant {
    return this.#world.timeline.now;
  }

  #refused(entry: Entry, code: RefusalCode, reason: string): void {
    const count = (entry.refusals.get(code) ?? 0) + 1;
    entry.refusals.set(code, count);
    const { place, door, number: client } = entry;
    this.#world.trace.record(this.#now, place, "door.refused", { client, code, reason });
    this.#count({ place, door, client, code, reason, count });
  }

  #count(refusal: Refusal): void {
    this.counts.set(refusal.code, (this.counts.get(refusal.code) ?? 0) + 1);
    this.#onRefusal(refusal);
  }
}
