import type { CanLink, CanListener } from "../../emulator/bus/link.ts";
import type { Instant } from "../../emulator/kernel/time.ts";
import type { CanFrame } from "../../emulator/wire/can-frame.ts";
import type { FrameListener } from "./session.ts";

/** Behind so many frames of its own a client has to wait, and behind so many of all clients of the bus. */
const CLIENT_FRAMES_MAX = 256;
const DOOR_FRAMES_MAX = 4096;

export interface CanDoorConfig {
  /** Name of the bus. */
  readonly bus: string;
  /** Nominal, bit/s. */
  readonly bitRate: number;
  /** Whether it carries CAN FD. */
  readonly fd: boolean;
}

/**
 * The node by which programs outside are on one bus: an adapter that several of them share. Each sees what all others on
 * the bus send, those at this door included, once it is on the bus. Frames of one client keep their order; clients take
 * turns.
 */
export class CanDoor implements CanListener {
  readonly config: CanDoorConfig;
  readonly #link: CanLink;
  readonly #clients = new Set<FrameListener>();
  /** Frames that wait, by client in the order of their turns. A client that has gone stays until its frames are sent. */
  readonly #waiting = new Map<FrameListener, CanFrame[]>();
  #count = 0;
  #sending: { readonly client: FrameListener; readonly frame: CanFrame } | undefined;
  /** A frame is being given to the link, which may abort it before it returns. */
  #handingOver = false;

  constructor(config: CanDoorConfig, link: CanLink) {
    this.config = config;
    this.#link = link;
    link.attach(this);
  }

  join(client: FrameListener): void {
    this.#clients.add(client);
  }

  leave(client: FrameListener): void {
    this.#clients.delete(client);
  }

  hasRoomFor(client: FrameListener): boolean {
    return this.#count < DOOR_FRAMES_MAX && (this.#waiting.get(client)?.length ?? 0) < CLIENT_FRAMES_MAX;
  }

  /** @param frame one that the bus can carry */
  send(client: FrameListener, frame: CanFrame): void {
    const waiting = this.#waiting.get(client);
    if (waiting === undefined) this.#waiting.set(client, [frame]);
    else waiting.push(frame);
    this.#count++;
    this.#next();
  }

  received(frame: CanFrame, now: Instant): void {
    for (const client of this.#clients) client.frame(frame, now);
  }

  transmitted(frame: CanFrame, now: Instant): void {
    if (this.#sending?.frame !== frame) return;
    const sender = this.#sending.client;
    this.#sending = undefined;
    for (const client of this.#clients) if (client !== sender) client.frame(frame, now);
    this.#next();
  }

  aborted(frame: CanFrame): void {
    if (this.#sending?.frame !== frame) return;
    const { client } = this.#sending;
    this.#sending = undefined;
    client.lost(frame);
    this.#next();
  }

  /** The first frame of the client whose turn it is; then it is the last in the order. */
  #next(): void {
    if (this.#handingOver) return;
    this.#handingOver = true;
    while (this.#sending === undefined) {
      const [turn] = this.#waiting;
      if (turn === undefined) break;
      const [client, frames] = turn;
      const frame = frames.shift() as CanFrame;
      this.#waiting.delete(client);
      if (frames.length > 0) this.#waiting.set(client, frames);
      this.#count--;
      this.#sending = { client, frame };
      this.#link.transmit(frame);
    }
    this.#handingOver = false;
  }
}
