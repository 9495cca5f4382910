import { describe, expect, it } from "vitest";
import { ms, ns } from "../../../emulator/kernel/time.ts";
import { type DoipMessage, decodeDoip, encodeDoip } from "../../../emulator/wire/doip.ts";
import {
  DoipTester,
  type DoipTesterConfig,
  type DoipTesterInput,
  type DoipTesterOutput,
} from "../../../gateway/doip/doip-tester.ts";
import { bytes, Driven } from "../tester/support/driven.ts";

const VMG = 0x0200;
const ZG = 0x0100;
const ECU = 0x100b;
const OTHER = 0x100c;

const from = (message: DoipMessage): DoipTesterInput => ({ type: "bytes", data: encodeDoip(message) });
const send = (target: number, data = "22f195"): DoipTesterInput => ({ type: "send", target, data: bytes(data) });
const activation = (code: number, entity = ZG) =>
  from({ type: "routingActivationResponse", tester: VMG, entity, code });
const ack = (source: number) =>
  from({ type: "diagnosticAck", source, target: VMG, code: 0, previous: new Uint8Array(0) });
const nack = (source: number, code: number) =>
  from({ type: "diagnosticNack", source, target: VMG, code, previous: new Uint8Array(0) });

/** What is on the wire of one output. */
const wire = (output: DoipTesterOutput | undefined) => (output?.type === "bytes" ? decodeDoip(output.data) : output);
const lost = (code: string) => [{ type: "close" }, { type: "lost", error: expect.objectContaining({ code }) }];

function tester(config: Partial<DoipTesterConfig> = {}) {
  const machine = new DoipTester({ address: VMG, gateway: ZG, ...config });
  return Object.assign(new Driven(machine), { machine });
}

function ready(config: Partial<DoipTesterConfig> = {}) {
  const driven = tester(config);
  driven.push({ type: "connect" }, { type: "opened" });
  expect(driven.push(activation(0x10))).toEqual([{ type: "ready" }]);
  return driven;
}

describe("DoipTester", () => {
  it("opens a connection, activates routing with type 00, and is ready", () => {
    const driven = tester();
    expect(driven.push({ type: "connect" })).toEqual([{ type: "open" }]);
    expect(driven.push({ type: "opened" }).map(wire)).toEqual([
      { type: "routingActivationRequest", source: VMG, activationType: 0 },
    ]);
    expect(driven.push(activation(0x10))).toEqual([{ type: "ready" }]);
    expect(driven.machine.nextDeadline()).toBeUndefined();
  });

  it("does nothing on a second connect", () => {
    const driven = ready();
    expect(driven.push({ type: "connect" })).toEqual([]);
  });

  it("waits 3000 ms for a connection, and not a nanosecond longer", () => {
    const driven = tester();
    driven.push({ type: "connect" });
    expect(driven.run(ns(2_999_999_999))).toEqual([]);
    expect(driven.run(ns(1))).toEqual(lost("DOIP_CONNECT_TIMEOUT"));
  });

  it("waits 2000 ms for a routing activation response", () => {
    const driven = tester();
    driven.push({ type: "connect" }, { type: "opened" });
    expect(driven.run(ns(1_999_999_999))).toEqual([]);
    expect(driven.run(ns(1))).toEqual(lost("DOIP_ROUTING_TIMEOUT"));
  });

  it.each([0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x42])(
    "sends no diagnostic message after routing activation response code %i",
    (code) => {
      const driven = tester();
      driven.push({ type: "connect" }, { type: "opened" });
      expect(driven.push(activation(code))).toEqual(lost("DOIP_ROUTING_REFUSED"));
      expect(driven.push(send(ECU))).toEqual([{ type: "refused", target: ECU, code: 6 }]);
    },
  );

  it("goes on waiting while somebody has to confirm the activation", () => {
    const driven = tester();
    driven.push({ type: "connect" }, { type: "opened" });
    expect(driven.push(activation(0x11))).toEqual([]);
    expect(driven.push(activation(0x10))).toEqual([{ type: "ready" }]);
  });

  it("does not talk to an entity of another address", () => {
    const driven = tester();
    driven.push({ type: "connect" }, { type: "opened" });
    expect(driven.push(activation(0x10, 0x0101))).toEqual(lost("DOIP_WRONG_ENTITY"));
  });

  it("tells what became of each message by its target", () => {
    const driven = ready();
    expect(driven.push(send(ECU), send(OTHER, "1003")).map(wire)).toEqual([
      { type: "diagnosticMessage", source: VMG, target: ECU, data: bytes("22f195") },
      { type: "diagnosticMessage", source: VMG, target: OTHER, data: bytes("1003") },
    ]);
    expect(driven.push(ack(OTHER), ack(ECU))).toEqual([
      { type: "acknowledged", target: OTHER },
      { type: "acknowledged", target: ECU },
    ]);
    const answer = from({ type: "diagnosticMessage", source: ECU, target: VMG, data: bytes("62f195") });
    expect(driven.push(answer)).toEqual([{ type: "message", source: ECU, data: bytes("62f195") }]);
  });

  it.each([2, 3, 4, 5, 6, 7, 8])("hands on negative acknowledge code %i", (code) => {
    const driven = ready();
    driven.push(send(ECU));
    expect(driven.push(nack(ECU, code))).toEqual([{ type: "refused", target: ECU, code }]);
    expect(driven.machine.nextDeadline()).toBeUndefined();
  });

  it("hands on a negative acknowledge that comes behind the positive one", () => {
    const driven = ready();
    driven.push(send(ECU), ack(ECU));
    expect(driven.push(nack(ECU, 8))).toEqual([{ type: "refused", target: ECU, code: 8 }]);
  });

  it("gives the connection up when a message is not acknowledged within 2000 ms, counted for each one", () => {
    const driven = ready();
    driven.push(send(ECU));
    driven.run(ms(500));
    driven.push(send(OTHER));
    driven.push(ack(ECU));
    expect(driven.run(ns(1_999_999_999))).toEqual([]);
    expect(driven.run(ns(1))).toEqual(lost("DOIP_ACKNOWLEDGE_TIMEOUT"));
  });

  it("takes its own message as acknowledged where the entity never acknowledges", () => {
    const driven = ready({ acknowledges: false });
    expect(driven.push(send(ECU)).slice(1)).toEqual([{ type: "acknowledged", target: ECU }]);
    expect(driven.machine.nextDeadline()).toBeUndefined();
  });

  it("ignores an acknowledge for nothing, and messages for another tester", () => {
    const driven = ready();
    expect(driven.push(ack(ECU))).toEqual([]);
    expect(driven.push(from({ type: "diagnosticMessage", source: ECU, target: 0x0e80, data: bytes("7e00") }))).toEqual(
      [],
    );
  });

  it("answers an alive check with its own address", () => {
    const driven = ready();
    expect(driven.push(from({ type: "aliveCheckRequest" })).map(wire)).toEqual([
      { type: "aliveCheckResponse", source: VMG },
    ]);
  });

  it.each(["remote", "reset"])("is lost when the connection ends (%s)", (reason) => {
    const driven = ready();
    expect(driven.push({ type: "closed", reason })).toEqual([
      { type: "lost", error: expect.objectContaining({ code: "DOIP_CLOSED" }) },
    ]);
  });

  it("tells a refused connection from one that ended", () => {
    const driven = tester();
    driven.push({ type: "connect" });
    expect(driven.push({ type: "closed", reason: "refused" })).toEqual([
      { type: "lost", error: expect.objectContaining({ code: "DOIP_CONNECT_FAILED" }) },
    ]);
  });

  it("says nothing when it has ended the connection itself", () => {
    const driven = ready();
    expect(driven.push({ type: "disconnect" })).toEqual([{ type: "close" }]);
    expect(driven.push({ type: "closed", reason: "local" }, { type: "disconnect" })).toEqual([]);
  });

  it("takes the end of a connection that it has closed itself for no other's", () => {
    const driven = ready();
    driven.push({ type: "disconnect" }, { type: "connect" });
    expect(driven.push({ type: "closed", reason: "local" })).toEqual([]);
    driven.push({ type: "opened" });
    expect(driven.push(activation(0x10))).toEqual([{ type: "ready" }]);
  });

  it("closes a connection that comes when nobody waits for it any more", () => {
    const driven = tester();
    driven.push({ type: "connect" }, { type: "disconnect" });
    expect(driven.push({ type: "opened" })).toEqual([{ type: "close" }]);
  });

  it.each([0x00, 0x01, 0x04])("ends the connection on header negative acknowledge %i", (code) => {
    const driven = ready();
    driven.push(send(ECU));
    expect(driven.push(from({ type: "headerNack", code }))).toEqual(lost("DOIP_HEADER_NACK"));
  });

  it.each([
    [0x02, 0x04],
    [0x03, 0x05],
  ])("takes header negative acknowledge %i for the oldest message, as code %i", (code, asCode) => {
    const driven = ready();
    driven.push(send(ECU), send(OTHER));
    expect(driven.push(from({ type: "headerNack", code }))).toEqual([{ type: "refused", target: ECU, code: asCode }]);
    expect(driven.push(ack(OTHER))).toEqual([{ type: "acknowledged", target: OTHER }]);
  });

  it("passes over a payload type that it does not know, such as the family's 9000", () => {
    const driven = ready();
    expect(driven.push({ type: "bytes", data: bytes("02fd 9000 00000001 00") })).toEqual([]);
    expect(driven.push(send(ECU), ack(ECU)).slice(1)).toEqual([{ type: "acknowledged", target: ECU }]);
  });

  it("ends the connection when what comes is no DoIP", () => {
    const driven = ready();
    expect(driven.push({ type: "bytes", data: bytes("1603010200010001") })).toEqual(lost("DOIP_STREAM_BROKEN"));
  });

  it("can connect again after a loss", () => {
    const driven = ready();
    driven.push({ type: "bytes", data: bytes("02fd80") }, { type: "closed", reason: "reset" });
    driven.push({ type: "connect" }, { type: "opened" });
    expect(driven.push(activation(0x10))).toEqual([{ type: "ready" }]);
  });

  it("goes on from a saved state in the middle of a message", () => {
    const one = ready();
    one.push(send(ECU));
    const answer = encodeDoip({ type: "diagnosticAck", source: ECU, target: VMG, code: 0, previous: bytes("22") });
    one.push({ type: "bytes", data: answer.subarray(0, 11) });
    const other = tester();
    other.machine.load(one.machine.save());
    other.settle();
    expect(other.push({ type: "bytes", data: answer.subarray(11) })).toEqual([{ type: "acknowledged", target: ECU }]);
  });
});
