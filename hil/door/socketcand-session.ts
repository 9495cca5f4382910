import { type Instant, ms, plus } from "../../emulator/kernel/time.ts";
import { CanFlag, type CanFrame } from "../../emulator/wire/can-frame.ts";
import {
  decodeSocketcand,
  encodeSocketcand,
  SOCKETCAND_ECHO,
  SOCKETCAND_ELEMENT_MAX,
  SOCKETCAND_HI,
  SOCKETCAND_OK,
  type SocketcandCommand,
} from "../../emulator/wire/socketcand.ts";
import type { CanDoor } from "./can-door.ts";
import { type FrameListener, notSent, type Refuse, type Session, type Wire } from "./session.ts";
import { Splitter } from "./splitter.ts";

/** python-can takes "< ok >" only if nothing came with it: so long frames are held back, or until it speaks. */
const QUIET_AFTER_OK = ms(50);

export interface SocketcandParts {
  readonly doors: ReadonlyMap<string, CanDoor>;
  readonly wire: Wire;
  readonly refuse: Refuse;
  readonly now: () => Instant;
  /** Unix time of the start of the run, microseconds. */
  readonly epoch: number;
}

/** What a socketcand serves to one program, in its raw mode. (docs/protocols/doors.md) */
export class SocketcandSession implements Session, FrameListener {
  readonly #parts: SocketcandParts;
  readonly #elements = new Splitter(">", SOCKETCAND_ELEMENT_MAX);
  #door: CanDoor | undefined;
  #raw = false;
  /** When frames may be shown, if the program has not spoken before. */
  #quietUntil: Instant | undefined;

  constructor(parts: SocketcandParts) {
    this.#parts = parts;
    parts.wire.write(SOCKETCAND_HI);
  }

  get ready(): boolean {
    return this.#door?.hasRoomFor(this) ?? true;
  }

  received(data: Uint8Array): void {
    for (const text of this.#elements.push(data)) {
      if (text === undefined) {
        this.#parts.refuse("LINE_TOO_LONG", `over ${SOCKETCAND_ELEMENT_MAX} characters before a ">"`);
        continue;
      }
      const start = text.lastIndexOf("<");
      if (start < 0) this.#parts.refuse("MALFORMED", 'a ">" without its "<"');
      else this.#command(decodeSocketcand(text.slice(start + 1)));
    }
  }

  closed(): void {
    this.#door?.leave(this);
  }

  frame(frame: CanFrame, now: Instant): void {
    if (this.#quietUntil !== undefined && now < this.#quietUntil) return;
    const { wire, refuse, epoch } = this.#parts;
    if (!wire.write(encodeSocketcand(frame, epoch + now / 1_000))) refuse("CLIENT_TOO_SLOW", "a frame was not shown");
  }

  lost({ id }: CanFrame): void {
    this.#parts.refuse("BUS_OFF", notSent(id));
  }

  #command(command: SocketcandCommand): void {
    const { wire, refuse, now } = this.#parts;
    switch (command.type) {
      case "open":
        this.#open(command.bus);
        return;
      case "rawmode":
        if (this.#door === undefined) {
          this.#fail("CHANNEL_CLOSED", "rawmode before a bus was opened", "no bus");
          return;
        }
        this.#raw = true;
        this.#quietUntil = plus(now(), QUIET_AFTER_OK);
        this.#door.join(this);
        wire.write(SOCKETCAND_OK);
        return;
      case "echo":
        wire.write(SOCKETCAND_ECHO);
        return;
      case "send":
        this.#send(command.frame);
        return;
      case "unknown":
        this.#fail("UNKNOWN_COMMAND", `"${command.name}"`, "unknown command");
        return;
      case "malformed":
        refuse("MALFORMED", command.reason);
        return;
    }
  }

  #fail(code: Parameters<Refuse>[0], reason: string, said: string): void {
    this.#parts.refuse(code, reason);
    this.#parts.wire.write(`< error ${said} >`);
  }

  #open(bus: string): void {
    if (this.#door !== undefined) {
      this.#fail("MALFORMED", "a second bus", "a bus is open");
      return;
    }
    this.#door = this.#parts.doors.get(bus);
    if (this.#door === undefined) {
      this.#fail("UNKNOWN_BUS", `"${bus.slice(0, 16)}"`, "could not open bus");
      this.#parts.wire.end();
    } else {
      this.#parts.wire.write(SOCKETCAND_OK);
    }
  }

  /** Sending is possible in every mode once a bus is open. */
  #send(frame: CanFrame): void {
    if (this.#raw) this.#quietUntil = undefined;
    if (this.#door === undefined) this.#fail("CHANNEL_CLOSED", "a frame before a bus was opened", "no bus");
    else if ((frame.flags & CanFlag.Fd) !== 0 && !this.#door.config.fd) {
      this.#parts.refuse("NO_CAN_FD", `a CAN FD frame for the classic bus ${this.#door.config.bus}`);
    } else this.#door.send(this, frame);
  }
}
