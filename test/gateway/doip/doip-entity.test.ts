import { describe, expect, it } from "vitest";
import { ms, ns, s } from "../../../emulator/kernel/time.ts";
import { type DoipMessage, decodeDoip, encodeDoip } from "../../../emulator/wire/doip.ts";
import { DoipEntity, type DoipEntityInput, type DoipEntityOutput } from "../../../gateway/doip/doip-entity.ts";
import { bytes, Driven } from "../tester/support/driven.ts";

const VMG = 0x0200;
const WORKSHOP = 0x0e00;
const ZG = 0x0100;
const ECU = 0x100b;

const from = (message: DoipMessage): DoipEntityInput => ({ type: "bytes", data: encodeDoip(message) });
const activate = (source = VMG, activationType = 0) =>
  from({ type: "routingActivationRequest", source, activationType });
const diagnostic = (data: string, target = ECU, source = VMG) =>
  from({ type: "diagnosticMessage", source, target, data: bytes(data) });
const wire = (output: DoipEntityOutput) => (output.type === "bytes" ? decodeDoip(output.data) : output);
const CLOSE = { type: "close" };
const response = (code: number, tester = VMG) => ({ type: "routingActivationResponse", tester, entity: ZG, code });
const nack = (code: number, previous: string, source = ECU, target = VMG) => {
  return { type: "diagnosticNack", source, target, code, previous: bytes(previous) };
};

function open() {
  const machine = new DoipEntity({ address: ZG, testers: [VMG, WORKSHOP], targets: [ZG, ECU], diagnosticMax: 16 });
  const driven = Object.assign(new Driven(machine), { machine });
  driven.push({ type: "opened" });
  return driven;
}

function active() {
  const driven = open();
  expect(driven.push(activate()).map(wire)).toEqual([response(0x10)]);
  return driven;
}

describe("routing activation", () => {
  it.each([0x00, 0x01])("is granted for type %i", (type) => {
    const driven = open();
    expect(driven.push(activate(VMG, type)).map(wire)).toEqual([response(0x10)]);
    expect(driven.machine.tester).toBe(VMG);
  });

  it("is refused with code 00 for a tester that is not known, and the connection ends", () => {
    expect(open().push(activate(0x0eff)).map(wire)).toEqual([response(0x00, 0x0eff), CLOSE]);
  });

  it.each([0x02, 0xe0, 0xff])("is refused with code 06 for type %i, and the connection ends", (type) => {
    expect(open().push(activate(VMG, type)).map(wire)).toEqual([response(0x06), CLOSE]);
  });

  it("is refused with code 02 for a second tester on one connection, and the connection ends", () => {
    expect(active().push(activate(WORKSHOP)).map(wire)).toEqual([response(0x02, WORKSHOP), CLOSE]);
  });

  it("is granted again to the same tester", () => {
    expect(active().push(activate()).map(wire)).toEqual([response(0x10)]);
  });
});

describe("diagnostic messages", () => {
  it("are handed on for a target that is known", () => {
    expect(active().push(diagnostic("22f195"))).toEqual([
      { type: "request", request: { tester: VMG, target: ECU, data: bytes("22f195") } },
    ]);
  });

  it("are refused with code 02 before routing is activated, and from another source", () => {
    expect(open().push(diagnostic("22f195")).map(wire)).toEqual([nack(0x02, "22f195")]);
    expect(
      active()
        .push(diagnostic("22f195", ECU, WORKSHOP))
        .map(wire),
    ).toEqual([nack(0x02, "22f195", ECU, WORKSHOP)]);
  });

  it("are refused with code 03 for a target that is not known", () => {
    expect(active().push(diagnostic("22f195", 0x1999)).map(wire)).toEqual([nack(0x03, "22f195", 0x1999)]);
  });

  it("are refused with code 04 one byte over the limit", () => {
    const driven = active();
    expect(driven.push(diagnostic("36".repeat(16)))).toMatchObject([{ type: "request" }]);
    expect(driven.push(diagnostic("36".repeat(17))).map(wire)).toEqual([nack(0x04, "36".repeat(8))]);
  });

  it("are acknowledged, refused and answered as the router says", () => {
    const driven = active();
    const request = { tester: VMG, target: ECU, data: bytes("22f195") };
    expect(driven.push({ type: "acknowledge", request }).map(wire)).toEqual([
      { type: "diagnosticAck", source: ECU, target: VMG, code: 0, previous: bytes("22f195") },
    ]);
    expect(driven.push({ type: "refuse", request, code: 6 }).map(wire)).toEqual([nack(0x06, "22f195")]);
    expect(driven.push({ type: "respond", source: ECU, tester: VMG, data: bytes("62f195") }).map(wire)).toEqual([
      { type: "diagnosticMessage", source: ECU, target: VMG, data: bytes("62f195") },
    ]);
  });

  it("are not answered to a tester that has gone", () => {
    const driven = active();
    driven.push({ type: "closed" }, { type: "opened" });
    const request = { tester: VMG, target: ECU, data: bytes("22f195") };
    expect(driven.push({ type: "respond", source: ECU, tester: VMG, data: bytes("62f195") })).toEqual([]);
    expect(driven.push({ type: "acknowledge", request }, { type: "refuse", request, code: 8 })).toEqual([]);
  });
});

describe("the header of what a tester sends", () => {
  it("is refused with code 00 for a wrong pattern, and the connection ends", () => {
    const said = active().push({ type: "bytes", data: bytes("02fc 0007 00000000 02fd 0007 00000000") });
    expect(said.map(wire)).toEqual([{ type: "headerNack", code: 0x00 }, CLOSE]);
  });

  it("is refused with code 04 for a length that the type can't have, and the connection ends", () => {
    const said = active().push({ type: "bytes", data: bytes("02fd 0005 00000008 0200000000000000") });
    expect(said.map(wire)).toEqual([{ type: "headerNack", code: 0x04 }, CLOSE]);
  });

  it.each([
    [0x01, "02fd 9000 00000001 00"],
    [0x01, "02fd 0001 00000000"],
    [0x02, "02fd 8001 01000000"],
  ])("is refused with code %i for %s, and the connection stays", (code, data) => {
    const driven = active();
    expect(driven.push({ type: "bytes", data: bytes(data) }).map(wire)).toEqual([{ type: "headerNack", code }]);
    expect(driven.machine.tester).toBe(VMG);
  });
});

describe("the timers of a connection", () => {
  it("end it after 2 s without routing activation", () => {
    const driven = open();
    expect(driven.run(ns(1_999_999_999))).toEqual([]);
    expect(driven.run(ns(1))).toEqual([CLOSE]);
  });

  it("do not let other messages put that off", () => {
    const driven = open();
    driven.run(ms(1500));
    driven.push(from({ type: "aliveCheckResponse", source: VMG }));
    expect(driven.run(ms(500))).toEqual([CLOSE]);
  });

  it("end it after 5 minutes without anything sent or received", () => {
    const driven = active();
    driven.run(s(200));
    driven.push(diagnostic("3e80"));
    driven.run(s(200));
    driven.push({ type: "respond", source: ECU, tester: VMG, data: bytes("7e00") });
    expect(driven.run(ns(299_999_999_999))).toEqual([]);
    expect(driven.run(ns(1))).toEqual([CLOSE]);
  });

  it("end it when an alive check is not answered within 500 ms", () => {
    const driven = active();
    expect(driven.push({ type: "checkAlive" }).map(wire)).toEqual([{ type: "aliveCheckRequest" }]);
    expect(driven.run(ns(499_999_999))).toEqual([]);
    expect(driven.run(ns(1))).toEqual([CLOSE]);
  });

  it("let it live when the alive check is answered, by its own tester only", () => {
    const driven = active();
    driven.push({ type: "checkAlive" });
    driven.push(from({ type: "aliveCheckResponse", source: WORKSHOP }));
    driven.run(ms(499));
    driven.push(from({ type: "aliveCheckResponse", source: VMG }));
    expect(driven.run(s(10))).toEqual([]);
    const stranger = active();
    stranger.push({ type: "checkAlive" });
    stranger.push(from({ type: "aliveCheckResponse", source: WORKSHOP }));
    expect(stranger.run(ms(500))).toEqual([CLOSE]);
  });

  it("are all forgotten with the connection", () => {
    const driven = active();
    driven.push({ type: "closed" });
    expect(driven.machine.nextDeadline()).toBeUndefined();
    expect(driven.push(diagnostic("3e00"), { type: "checkAlive" })).toEqual([]);
  });
});

it("a connection goes on from a saved state", () => {
  const one = active();
  const message = encodeDoip({ type: "diagnosticMessage", source: VMG, target: ECU, data: bytes("1003") });
  one.push({ type: "bytes", data: message.subarray(0, 9) });
  const other = open();
  other.machine.load(one.machine.save());
  other.settle();
  expect(other.push({ type: "bytes", data: message.subarray(9) })).toMatchObject([{ type: "request" }]);
  expect(other.run(s(299))).toEqual([]);
  expect(other.run(s(1))).toEqual([CLOSE]);
});
