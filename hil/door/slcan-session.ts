import { type Instant, toMs } from "../../emulator/kernel/time.ts";
import { CanFlag, type CanFrame } from "../../emulator/wire/can-frame.ts";
import { decodeSlcan, encodeSlcan, SLCAN_ERROR, SLCAN_LINE_MAX, SLCAN_OK } from "../../emulator/wire/slcan.ts";
import type { CanDoor } from "./can-door.ts";
import { type FrameListener, notSent, type Refuse, type Session, type Wire } from "./session.ts";
import { Splitter } from "./splitter.ts";

/** V: hardware and software version; N: serial number; F: nothing to report. */
const VERSION = "V1010";
const SERIAL_NUMBER = "NOTAB";
const STATUS = "F00";

/**
 * A serial CAN adapter on one bus, as a program sees it. Commands are answered with CR or BELL, frames that are taken are
 * not answered: testers that read one line a turn would fall behind. (docs/protocols/doors.md)
 */
export class SlcanSession implements Session, FrameListener {
  readonly #door: CanDoor;
  readonly #wire: Wire;
  readonly #refuse: Refuse;
  readonly #lines = new Splitter(SLCAN_OK, SLCAN_LINE_MAX);
  #channel: "closed" | "open" | "listening" = "closed";
  #timestamps = false;
  #bitRateWrong = false;

  constructor(door: CanDoor, wire: Wire, refuse: Refuse) {
    this.#door = door;
    this.#wire = wire;
    this.#refuse = refuse;
  }

  get ready(): boolean {
    return this.#door.hasRoomFor(this);
  }

  received(data: Uint8Array): void {
    for (const line of this.#lines.push(data)) {
      if (line === undefined) {
        this.#refuse("LINE_TOO_LONG", `over ${SLCAN_LINE_MAX} characters before a CR`);
        this.#wire.write(SLCAN_ERROR);
      } else {
        this.#line(line.replaceAll("\n", ""));
      }
    }
  }

  closed(): void {
    this.#door.leave(this);
  }

  frame(frame: CanFrame, now: Instant): void {
    const written = this.#wire.write(encodeSlcan(frame, this.#timestamps ? toMs(now) : undefined));
    if (!written) this.#refuse("CLIENT_TOO_SLOW", "a frame was not shown");
  }

  lost({ id }: CanFrame): void {
    this.#fail("BUS_OFF", notSent(id));
  }

  #line(line: string): void {
    const command = decodeSlcan(line);
    switch (command.type) {
      case "transmit":
        this.#transmit(command.frame);
        return;
      case "bitRate":
        this.#setBitRate(command.bitRate);
        return;
      case "open":
        this.#open(command.listenOnly);
        return;
      case "close":
        this.#channel = "closed";
        this.#door.leave(this);
        break;
      case "timestamps":
        this.#timestamps = command.on;
        break;
      case "version":
        this.#wire.write(VERSION);
        break;
      case "serialNumber":
        this.#wire.write(SERIAL_NUMBER);
        break;
      case "status":
        this.#wire.write(STATUS);
        break;
      case "ignored":
        break;
      case "malformed":
        this.#fail("MALFORMED", command.reason);
        return;
    }
    this.#wire.write(SLCAN_OK);
  }

  #fail(...[code, reason]: Parameters<Refuse>): void {
    this.#refuse(code, reason);
    this.#wire.write(SLCAN_ERROR);
  }

  #transmit(frame: CanFrame): void {
    if (this.#channel !== "open") this.#fail("CHANNEL_CLOSED", `a frame while the channel is ${this.#channel}`);
    else if ((frame.flags & CanFlag.Fd) !== 0 && !this.#door.config.fd) {
      this.#fail("NO_CAN_FD", `a CAN FD frame for the classic bus ${this.#door.config.bus}`);
    } else this.#door.send(this, frame);
  }

  /** At another bit rate an adapter would hear nothing and disturb everybody. */
  #setBitRate(bitRate: number): void {
    const { bus, bitRate: own } = this.#door.config;
    if (this.#channel !== "closed") {
      this.#fail("MALFORMED", "a bit rate while the channel is open");
      return;
    }
    this.#bitRateWrong = bitRate !== own;
    if (this.#bitRateWrong) this.#fail("BIT_RATE_WRONG", `${bitRate} bit/s, ${bus} runs at ${own}`);
    else this.#wire.write(SLCAN_OK);
  }

  #open(listenOnly: boolean): void {
    if (this.#bitRateWrong) {
      this.#fail("BIT_RATE_WRONG", "the channel stays closed");
      return;
    }
    this.#channel = listenOnly ? "listening" : "open";
    this.#door.join(this);
    this.#wire.write(SLCAN_OK);
  }
}
