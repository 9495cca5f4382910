import { describe, expect, it } from "vitest";
import type { Instant } from "../../../emulator/kernel/time.ts";
import { ms, s } from "../../../emulator/kernel/time.ts";
import { type DoipMessage, encodeDoip } from "../../../emulator/wire/doip.ts";
import { DoipFramer } from "../../../emulator/wire/doip-framer.ts";
import { toHex } from "../../../emulator/wire/text.ts";
import { bytes } from "../tester/support/driven.ts";
import { ZoneBench, type ZoneOptions } from "./support/zone-bench.ts";

const VMG = 0x0200;
const ZG = 0x0100;
const ECU_011 = 0x100b;
const ECU_012 = 0x100c;
const ALL = 0xe400;

/** A zone whose tester is this test itself: raw DoIP, with the instant of each message. */
class Raw {
  readonly bench: ZoneBench;
  readonly heard: { readonly at: Instant; readonly message: DoipMessage }[] = [];
  closed: string | undefined;
  readonly #framer = new DoipFramer();

  constructor(options: ZoneOptions = {}) {
    this.bench = new ZoneBench(options);
    for (const { ecu } of this.bench.seats) ecu.powerOn();
    this.bench.run(ms(400));
    this.bench.stream.client.attach({
      opened: () => this.write({ type: "routingActivationRequest", source: VMG, activationType: 0 }),
      received: (data, at) => {
        this.#framer.push(data);
        for (let next = this.#framer.next(); next !== undefined; next = this.#framer.next()) {
          if (next.type !== "malformed") this.heard.push({ at, message: next });
        }
      },
      closed: (reason) => {
        this.closed = reason;
      },
    });
    this.bench.stream.client.open();
    this.bench.run(ms(10));
    expect(this.take()).toMatchObject(["routingActivationResponse"]);
  }

  write(message: DoipMessage): void {
    this.bench.stream.client.send(encodeDoip(message));
  }

  ask(target: number, data: string): void {
    this.write({ type: "diagnosticMessage", source: VMG, target, data: bytes(data) });
  }

  /** What was heard since the last time: "ack ECU", "nack ECU code", "ECU: data". */
  take(): string[] {
    return this.heard.splice(0).map(({ message }) => {
      if (message.type === "diagnosticAck") return `ack ${message.source.toString(16)}`;
      if (message.type === "diagnosticNack") return `nack ${message.source.toString(16)} ${message.code}`;
      if (message.type === "diagnosticMessage") return `${message.source.toString(16)}: ${toHex(message.data)}`;
      return message.type;
    });
  }

  after(span: ReturnType<typeof ms>): string[] {
    this.bench.run(span);
    return this.take();
  }
}

describe("a zonal gateway", () => {
  it("acknowledges a message before it is on the bus, and brings the answer later", () => {
    const raw = new Raw();
    raw.ask(ECU_011, "3e00");
    raw.bench.run(ms(50));
    const [ack, answer] = raw.heard;
    expect(raw.take()).toEqual(["ack 100b", "100b: 7e00"]);
    const [sent] = [...raw.bench.world.trace.events()].filter(({ type }) => type === "can.frame");
    expect((ack as { at: Instant }).at).toBeLessThan((sent as { at: Instant }).at);
    expect((answer as { at: Instant }).at).toBeGreaterThan((sent as { at: Instant }).at);
  });

  it("repeats the first eight bytes of a message in its acknowledgement", () => {
    const raw = new Raw();
    raw.ask(ECU_011, "22f195f18cf193f190");
    raw.bench.run(ms(50));
    expect(raw.heard[0]?.message).toMatchObject({ type: "diagnosticAck", previous: bytes("22f195f18cf193f1") });
  });

  it("routes to several ECUs at once", () => {
    const raw = new Raw();
    raw.ask(ECU_011, "22f18c");
    raw.ask(ECU_012, "22f18c");
    const heard = raw.after(ms(100));
    expect(heard.slice(0, 2)).toEqual(["ack 100b", "ack 100c"]);
    expect(
      heard
        .slice(2)
        .map((text) => text.slice(0, 12))
        .sort(),
    ).toEqual(["100b: 62f18c", "100c: 62f18c"]);
  });

  it("refuses a target that it does not know with code 03", () => {
    const raw = new Raw();
    raw.ask(0x1015, "3e00");
    expect(raw.after(ms(10))).toEqual(["nack 1015 3"]);
  });

  it("brings a functional request to all ECUs of its bus, and each of their answers", () => {
    const raw = new Raw();
    raw.ask(ALL, "3e00");
    const heard = raw.after(ms(50));
    expect(heard[0]).toBe("ack e400");
    expect(heard.slice(1).sort()).toEqual(["100b: 7e00", "100c: 7e00"]);
  });

  it("refuses a functional request that is longer than a single frame with code 04", () => {
    const raw = new Raw();
    raw.ask(ALL, "22f195f18cf193f190");
    expect(raw.after(ms(10))).toEqual(["nack e400 4"]);
  });

  it("keeps two messages waiting for an ECU behind the one on the bus, and refuses the next with code 05", () => {
    const raw = new Raw();
    raw.ask(ECU_011, `36aa${"00".repeat(500)}`);
    for (let count = 0; count < 4; count++) raw.ask(ECU_011, "3e80");
    expect(raw.after(ms(5))).toEqual(["ack 100b", "ack 100b", "ack 100b", "nack 100b 5", "nack 100b 5"]);
    expect(raw.after(ms(100))).toEqual(["100b: 7f367f"]);
    raw.ask(ECU_011, "3e00");
    expect(raw.after(ms(50))).toEqual(["ack 100b", "100b: 7e00"]);
  });

  it("says with code 06, behind its acknowledgement, that nobody is on the bus", () => {
    const raw = new Raw();
    for (const { ecu } of raw.bench.seats) ecu.powerOff();
    raw.ask(ECU_011, "3e00");
    expect(raw.after(ms(900))).toEqual(["ack 100b"]);
    expect(raw.after(ms(200))).toEqual(["nack 100b 6"]);
  });

  it("says with code 08, behind its acknowledgement, that an ECU does not take the rest of a message", () => {
    const raw = new Raw();
    raw.bench.seat("ECU_011").ecu.powerOff();
    raw.ask(ECU_011, "22f195f18cf193f190");
    expect(raw.after(ms(900))).toEqual(["ack 100b"]);
    expect(raw.after(ms(200))).toEqual(["nack 100b 8"]);
    raw.ask(ECU_012, "3e00");
    expect(raw.after(ms(50))).toEqual(["ack 100c", "100c: 7e00"]);
  });

  it("sends what waited behind a message that failed", () => {
    const raw = new Raw();
    raw.bench.link.arm({ fault: "drop", direction: "receive", nPdu: "FC" });
    raw.ask(ECU_011, "22f195f18cf193f190");
    raw.ask(ECU_011, "3e00");
    expect(raw.after(s(3))).toEqual(["ack 100b", "ack 100b", "nack 100b 8", "100b: 7e00"]);
  });

  it.each([
    ["3e00", "7e00"],
    ["3e80", undefined],
    ["3e01", "7f3e12"],
    ["3e", "7f3e13"],
    ["22f195", "7f2211"],
    ["1003", "7f1011"],
  ])("answers %s that is meant for itself by %s", (request, answer) => {
    const raw = new Raw();
    raw.ask(ZG, request);
    expect(raw.after(ms(10))).toEqual(["ack 100", ...(answer === undefined ? [] : [`100: ${answer}`])]);
  });

  it("ends a connection that is silent for five minutes", () => {
    const raw = new Raw();
    raw.bench.run(s(299));
    expect(raw.closed).toBeUndefined();
    raw.bench.run(s(2));
    expect(raw.closed).toBe("remote");
  });

  it("loses everything with its power, and ends what is left of an old connection when that is used", () => {
    const raw = new Raw();
    raw.ask(ECU_011, `36aa${"00".repeat(500)}`);
    raw.bench.run(ms(5));
    raw.take();
    raw.bench.gateway.powerOff();
    raw.ask(ECU_012, "3e00");
    expect(raw.after(s(5))).toEqual([]);
    expect(raw.closed).toBeUndefined();
    raw.bench.gateway.powerOn();
    raw.ask(ECU_012, "3e00");
    expect(raw.after(ms(10))).toEqual([]);
    expect(raw.closed).toBe("remote");
    raw.bench.stream.client.open();
    raw.bench.run(ms(10));
    raw.ask(ECU_012, "3e00");
    expect(raw.after(ms(50))).toEqual(["routingActivationResponse", "ack 100c", "100c: 7e00"]);
  });

  it("takes no connection without power", () => {
    const raw = new Raw();
    raw.bench.stream.client.close();
    raw.bench.run(ms(10));
    raw.bench.gateway.powerOff();
    raw.bench.stream.client.open();
    raw.bench.run(ms(10));
    expect(raw.closed).toBe("refused");
  });

  it("tells when its power comes and goes", () => {
    const bench = new ZoneBench();
    bench.gateway.powerOff();
    bench.gateway.powerOff();
    bench.gateway.powerOn();
    const power = [...bench.world.trace.events()].filter(({ type }) => type === "gateway.power");
    expect(power).toMatchObject([
      { source: "ZG_1", on: 0 },
      { source: "ZG_1", on: 1 },
    ]);
  });
});
