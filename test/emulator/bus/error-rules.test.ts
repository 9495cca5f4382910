import { describe, expect, it } from "vitest";
import { BitNode } from "../../../emulator/bus/bit-node.ts";
import { ErrorCounters } from "../../../emulator/bus/error-counters.ts";
import { CanBit, canBitStream } from "../../../emulator/wire/can-bit-stream.ts";
import { canFrame } from "../../conformance/can-link/can-link-suite.ts";

const D = 0;
const R = 1;
const PASSIVE = 128;
const FRAME = canFrame(0x123, 0x11, 0x22);
const STREAM = canBitStream(FRAME);

/** One controller alone with the levels that it is shown. */
class Controller {
  readonly counters = new ErrorCounters();
  readonly node: BitNode;

  constructor(role: "transmitter" | "receiver", errors: { tec?: number; rec?: number } = {}) {
    this.counters.transmitErrors = errors.tec ?? 0;
    this.counters.receiveErrors = errors.rec ?? 0;
    this.node = new BitNode(0, this.counters, role === "transmitter" ? FRAME : undefined);
  }

  /** @returns what the last of them led to */
  see(level: number, times = 1): string {
    let last = "nothing";
    for (let count = 0; count < times; count++) last = this.node.sample(level);
    return last;
  }

  /** Its frame up to a bit of the data field, which it then sees inverted; or up to an ACK slot that stays recessive. */
  failAt(what: "data" | "ack"): string {
    const ack = STREAM.findIndex((mark) => (mark & CanBit.Ack) !== 0);
    const wrong = what === "ack" ? ack : STREAM.findIndex((mark, place) => place > 20 && (mark & 3) === R);
    for (let bit = 0; bit < wrong; bit++) this.see((STREAM[bit] as number) & CanBit.Value);
    return this.see(what === "ack" ? R : D);
  }

  /** A receiver that finds a stuff error in the sixth bit. */
  findStuffError(): string {
    return this.see(D, 6);
  }

  get told(): string {
    return `${this.counters.transmitErrors}/${this.counters.receiveErrors}`;
  }
}

const transmitterInFlag = (errors?: { tec: number }): Controller => {
  const controller = new Controller("transmitter", errors);
  expect(controller.failAt("data")).toBe("bit");
  return controller;
};

const receiverInFlag = (errors?: { rec: number }): Controller => {
  const controller = new Controller("receiver", errors);
  expect(controller.findStuffError()).toBe("stuff");
  return controller;
};

/** The rules of ISO 11898-1:2015, 12.1.4.2, by their letters. */
describe("rules of fault confinement", () => {
  it("a: a receiver that finds an error counts 1", () => {
    expect(receiverInFlag().told).toBe("0/1");
  });

  it("b: a receiver that sees a dominant bit right behind its flag counts 8 more, once", () => {
    const receiver = receiverInFlag();
    receiver.see(D, 6);
    expect(receiver.told).toBe("0/1");
    receiver.see(D);
    expect(receiver.told).toBe("0/9");
    receiver.see(D, 6);
    expect(receiver.told).toBe("0/9");
    const transmitter = transmitterInFlag();
    transmitter.see(D, 7);
    expect(transmitter.told).toBe("8/0");
  });

  it("c: a transmitter that sends an error flag counts 8, an active one and a passive one", () => {
    expect(transmitterInFlag().told).toBe("8/0");
    expect(transmitterInFlag({ tec: PASSIVE }).told).toBe("136/0");
  });

  it("c, exception 1: an ACK error costs an error-passive transmitter nothing unless its flag sees a dominant bit", () => {
    const alone = new Controller("transmitter", { tec: PASSIVE });
    expect(alone.failAt("ack")).toBe("ack");
    alone.see(R, 14);
    expect(alone.told).toBe("128/0");
    const answered = new Controller("transmitter", { tec: PASSIVE });
    answered.failAt("ack");
    answered.see(R, 5);
    expect(answered.told).toBe("128/0");
    answered.see(D, 6);
    expect(answered.told).toBe("136/0");
    const active = new Controller("transmitter");
    active.failAt("ack");
    expect(active.told).toBe("8/0");
  });

  it("d, e: a recessive bit in an active flag costs transmitter and receiver 8 each, and the flag begins anew", () => {
    const transmitter = transmitterInFlag();
    transmitter.see(D, 5);
    expect(transmitter.see(R)).toBe("bit");
    expect(transmitter.told).toBe("16/0");
    const receiver = receiverInFlag();
    expect(receiver.see(R)).toBe("bit");
    expect(receiver.told).toBe("0/9");
    receiver.see(D, 5);
    expect(receiver.node.level).toBe(D);
    receiver.see(D);
    expect(receiver.node.level).toBe(R);
  });

  it.each([
    ["an active flag", 0],
    ["a passive flag", PASSIVE],
  ])("f: behind %s seven dominant bits are borne; the eighth and each eighth after it cost 8", (_, before) => {
    const transmitter = transmitterInFlag({ tec: before });
    transmitter.see(D, 6 + 7);
    expect(transmitter.told).toBe(`${before + 8}/0`);
    transmitter.see(D);
    expect(transmitter.told).toBe(`${before + 16}/0`);
    transmitter.see(D, 7);
    expect(transmitter.told).toBe(`${before + 16}/0`);
    transmitter.see(D);
    expect(transmitter.told).toBe(`${before + 24}/0`);
    const receiver = receiverInFlag({ rec: before });
    receiver.see(D, 6 + 8); // 8 by rule b, 8 by rule f
    expect(receiver.told).toBe(`0/${before + 17}`);
  });

  it("g: a frame sent well takes 1 off, and nothing off 0", () => {
    for (const [before, after] of [
      [0, 0],
      [1, 0],
      [PASSIVE, 127],
    ]) {
      const transmitter = new Controller("transmitter", { tec: before ?? 0 });
      for (const mark of STREAM) transmitter.see((mark & CanBit.Ack) === 0 ? mark & CanBit.Value : D);
      expect(transmitter.told).toBe(`${after}/0`);
    }
  });

  it.each([
    [0, 0],
    [1, 0],
    [127, 126],
    [128, 119],
    [255, 119],
  ])("h: a frame received well takes REC from %i to %i", (before, after) => {
    const receiver = new Controller("receiver", { rec: before });
    let last = "";
    for (const mark of STREAM) last = receiver.see((mark & CanBit.Ack) === 0 ? mark & CanBit.Value : D);
    expect(last).toBe("received");
    expect(receiver.told).toBe(`0/${after}`);
  });

  it.each([
    [127, 0, "active"],
    [128, 0, "passive"],
    [0, 127, "active"],
    [0, 128, "passive"],
    [255, 0, "passive"],
    [256, 0, "busOff"],
    [0, 255, "passive"],
  ])("i: TEC %i and REC %i are error %s", (tec, rec, state) => {
    expect(new Controller("receiver", { tec, rec }).counters.state).toBe(state);
  });

  it("i: the error that makes a node error passive is still flagged actively", () => {
    const receiver = receiverInFlag({ rec: 127 });
    expect(receiver.counters.state).toBe("passive");
    expect(receiver.node.level).toBe(D);
  });
});

describe("an error frame", () => {
  it("has a passive flag of six equal bits in a row, whoever made them", () => {
    const receiver = receiverInFlag({ rec: PASSIVE });
    expect(receiver.node.level).toBe(R);
    receiver.see(R, 3);
    receiver.see(D, 6); // now it is complete
    expect(receiver.told).toBe("0/129");
    receiver.see(D);
    expect(receiver.told).toBe("0/137");
  });

  it.each([1, 6])("has a delimiter in which a dominant bit behind %i recessive ones is a form error", (recessive) => {
    const transmitter = transmitterInFlag();
    transmitter.see(D, 6);
    transmitter.see(R, recessive);
    expect(transmitter.see(D)).toBe("form");
    expect(transmitter.told).toBe("16/0");
    const receiver = receiverInFlag();
    receiver.see(D, 6);
    receiver.see(R, recessive);
    expect(receiver.see(D)).toBe("form");
    expect(receiver.told).toBe("0/2");
  });

  it("ends with the eighth bit of its delimiter, whatever that is", () => {
    const receiver = receiverInFlag();
    receiver.see(D, 6);
    receiver.see(R, 7);
    expect(receiver.node.done).toBe(false);
    expect(receiver.see(D)).toBe("nothing");
    expect(receiver.node.done).toBe(true);
    expect(receiver.told).toBe("0/1");
  });
});
