import { describe, expect, it } from "vitest";
import { LinkError } from "../../../emulator/kernel/errors.ts";
import { ms, ns, s } from "../../../emulator/kernel/time.ts";
import { Nrc } from "../../../emulator/wire/uds.ts";
import { UdsClient, type UdsClientInput, type UdsClientTiming } from "../../../gateway/tester/uds-client.ts";
import { NegativeResponseError } from "../../../gateway/tester/uds-errors.ts";
import { bytes, Driven } from "./support/driven.ts";

const request = (hex: string): UdsClientInput => ({ type: "request", data: bytes(hex) });
const received = (hex: string): UdsClientInput => ({ type: "received", data: bytes(hex) });
const ACKNOWLEDGED: UdsClientInput = { type: "acknowledged" };
const response = (hex: string) => [{ type: "response", data: bytes(hex) }];
const failed = (code: string) => [{ type: "failed", error: expect.objectContaining({ code }) }];
const noted = (code: string) => [{ type: "noted", code, reason: expect.any(String) }];

function client(timing: Partial<UdsClientTiming> = {}) {
  const machine = new UdsClient({ path: ms(100), ...timing });
  return Object.assign(new Driven(machine), { machine });
}

/** A request that is on its way. */
function asked(hex: string, timing: Partial<UdsClientTiming> = {}) {
  const driven = client(timing);
  expect(driven.push(request(hex))).toEqual([{ type: "transmit", data: bytes(hex) }]);
  expect(driven.push(ACKNOWLEDGED)).toEqual([]);
  return driven;
}

describe("an answer", () => {
  it.each([
    ["1003", "5003003201f4"],
    ["1101", "5101"],
    ["22f195", "62f195312e302e30"],
    ["2701", "670112345678"],
    ["2ef15b00", "6ef15b"],
    ["3101ff00", "7101ff0000"],
    ["3400440000000000000000", "74200fe2"],
    ["3601aa", "7601"],
    ["37", "77"],
    ["3e00", "7e00"],
  ])("to %s is %s", (question, answer) => {
    expect(asked(question).push(received(answer))).toEqual(response(answer));
  });

  it("may come before the acknowledgement", () => {
    const driven = client();
    driven.push(request("3e00"));
    expect(driven.push(received("7e00"), ACKNOWLEDGED)).toEqual(response("7e00"));
  });

  it("to another service is late: it is told, and the right one is waited for", () => {
    const driven = asked("1001");
    expect(driven.push(received("5101"))).toEqual(noted("UDS_FOREIGN_RESPONSE"));
    expect(driven.push(received("7f3672"))).toEqual(noted("UDS_LATE_RESPONSE"));
    expect(driven.push(received("5001003201f4"))).toEqual(response("5001003201f4"));
  });

  it.each([
    ["1002", "5003003201f4"],
    ["3602aa", "7601"],
    ["22f195", "62f18c41"],
    ["3101ff01", "7101ff0200"],
    ["2702aabbccdd", "670112345678"],
  ])("to an earlier request is late (%s, %s)", (question, answer) => {
    expect(asked(question).push(received(answer))).toEqual(noted("UDS_LATE_RESPONSE"));
  });

  it("to nothing is told", () => {
    expect(client().push(received("7e00"))).toEqual(noted("UDS_LATE_RESPONSE"));
  });

  it.each(["7f", "7f36", "7f0131", "7f362231", "76"])("that is malformed fails the request at once (%s)", (answer) => {
    expect(asked("3601aa").push(received(answer))).toEqual(failed("UDS_RESPONSE_MALFORMED"));
  });

  it("that is our own request fails it at once", () => {
    expect(asked("1002").push(received("1002"))).toEqual(failed("UDS_ECHO"));
  });

  it("that is negative is an error with the service and the code", () => {
    const [said] = asked("3601aa").push(received("7f3672"));
    expect(said).toMatchObject({ type: "failed", error: { sid: 0x36, nrc: 0x72 } });
  });
});

describe("NegativeResponseError", () => {
  it("has a code for each NRC that has a name", () => {
    for (const [name, nrc] of Object.entries(Nrc)) {
      const { code } = new NegativeResponseError(0x10, nrc);
      expect(code.replace(/^NRC|_/g, "").toLowerCase()).toBe(name.toLowerCase());
    }
    expect(new NegativeResponseError(0x27, 0x35).code).toBe("NRC_INVALID_KEY");
    expect(new NegativeResponseError(0x27, 0x5d).code).toBe("NRC_DE_AUTHENTICATION_FAILED");
    expect(new NegativeResponseError(0x27, 0x4f).code).toBe("NEGATIVE_RESPONSE");
  });
});

describe("P2", () => {
  it("runs from the acknowledgement, not from the handing over", () => {
    const driven = client();
    driven.push(request("22f195"));
    driven.run(s(4));
    driven.push(ACKNOWLEDGED);
    expect(driven.run(ns(149_999_999))).toEqual([]);
    expect(driven.run(ns(1))).toEqual(failed("UDS_TIMEOUT"));
  });

  it("does not run while nobody has taken the request over, which is waited for 5 s", () => {
    const driven = client();
    driven.push(request("22f195"));
    expect(driven.run(ns(4_999_999_999))).toEqual([]);
    expect(driven.run(ns(1))).toEqual(failed("UDS_NOT_ACKNOWLEDGED"));
  });

  it("is what the ECU says in its answer to 0x10", () => {
    const driven = asked("1003");
    driven.push(received("500301f401f4"), request("22f195"), ACKNOWLEDGED); // 500 ms
    expect(driven.run(ns(599_999_999))).toEqual([]);
    expect(driven.run(ns(1))).toEqual(failed("UDS_TIMEOUT"));
  });

  it.each([
    ["500300000000", 10 + 100],
    ["50030f0f0f0f", 3855 + 100],
    ["5003ffff01f4", 5000 + 100],
  ])("is held within sane bounds (%s)", (answer, expected) => {
    const driven = asked("1003");
    expect(driven.push(received(answer))).toEqual([...noted("UDS_TIMING_CLAMPED"), ...response(answer)]);
    driven.push(request("22f195"), ACKNOWLEDGED);
    expect(driven.run(ns(expected * 1e6 - 1))).toEqual([]);
    expect(driven.run(ns(1))).toEqual(failed("UDS_TIMEOUT"));
  });

  it("stays what it was when the answer says nothing of it", () => {
    const driven = asked("1003");
    expect(driven.push(received("5003"))).toEqual([...noted("UDS_TIMING_MISSING"), ...response("5003")]);
    driven.push(request("22f195"), ACKNOWLEDGED);
    expect(driven.run(ns(149_999_999))).toEqual([]);
    expect(driven.run(ns(1))).toEqual(failed("UDS_TIMEOUT"));
  });

  it("is forgotten with a reset of the ECU", () => {
    const driven = asked("1003");
    driven.push(received("500301f401f4"), request("1101"), ACKNOWLEDGED, received("5101"));
    driven.push(request("22f195"), ACKNOWLEDGED);
    expect(driven.run(ms(150))).toEqual(failed("UDS_TIMEOUT"));
  });
});

describe("0x78", () => {
  it("is no failure: P2* runs from each one anew", () => {
    const driven = asked("3101ff00");
    expect(driven.push(received("7f3178"))).toEqual([]);
    for (let count = 0; count < 4; count++) {
      expect(driven.run(ns(5_099_999_999))).toEqual([]);
      driven.push(received("7f3178"));
    }
    expect(driven.push(received("7101ff0000"))).toEqual(response("7101ff0000"));
  });

  it("without anything behind it is a timeout after P2*", () => {
    const driven = asked("3101ff00");
    driven.push(received("7f3178"));
    expect(driven.run(ns(5_099_999_999))).toEqual([]);
    expect(driven.run(ns(1))).toEqual(failed("UDS_TIMEOUT"));
  });

  it("without end is given up at the overall limit", () => {
    const driven = asked("3101ff00", { pendingMax: s(30) });
    let said: unknown[] = [];
    for (let at = 0; at < 30 && said.length === 0; at += 3)
      said = [...driven.push(received("7f3178")), ...driven.run(s(3))];
    expect(said).toEqual(failed("UDS_PENDING_TOO_LONG"));
    expect(driven.now).toBe(s(30));
  });

  it("that comes before the acknowledgement counts as well", () => {
    const driven = client();
    driven.push(request("3101ff00"), received("7f3178"), ACKNOWLEDGED);
    expect(driven.run(ns(5_099_999_999))).toEqual([]);
  });
});

describe("a request", () => {
  it("that wants no answer is done when it is on its way", () => {
    const driven = client();
    driven.push(request("3e80"));
    expect(driven.push(ACKNOWLEDGED)).toEqual([{ type: "sent" }]);
    expect(driven.machine.busy).toBe(false);
    expect(driven.push(received("7f3e13"))).toEqual(noted("UDS_LATE_RESPONSE"));
  });

  it.each([
    [2, "DOIP_INVALID_SOURCE_ADDRESS"],
    [3, "DOIP_UNKNOWN_TARGET_ADDRESS"],
    [4, "DOIP_MESSAGE_TOO_LARGE"],
    [5, "DOIP_OUT_OF_MEMORY"],
    [6, "DOIP_TARGET_UNREACHABLE"],
    [7, "DOIP_UNKNOWN_NETWORK"],
    [8, "DOIP_TRANSPORT_PROTOCOL_ERROR"],
    [9, "DOIP_DIAGNOSTIC_NACK"],
  ])("that the gateway refuses with %i fails as %s, also behind its acknowledgement", (code, name) => {
    const driven = client();
    driven.push(request("22f195"));
    expect(driven.push({ type: "refused", code })).toEqual(failed(name));
    expect(asked("22f195").push({ type: "refused", code })).toEqual(failed(name));
  });

  it("fails with what the link says when that is lost", () => {
    const error = new LinkError("DOIP_CLOSED", "gone");
    expect(asked("22f195").push({ type: "lost", error })).toEqual([{ type: "failed", error }]);
    expect(client().push({ type: "lost", error })).toEqual([]);
  });

  it("is alone: a second one meanwhile is the caller's mistake", () => {
    const driven = asked("22f195");
    expect(() => driven.push(request("3e00"))).toThrow("under way already");
  });

  it("that was cancelled is not spoken of any more", () => {
    const driven = asked("22f195");
    expect(driven.push({ type: "cancel" })).toEqual([]);
    expect(driven.run(s(10))).toEqual([]);
  });

  it("goes on from a saved state", () => {
    const one = asked("3101ff00");
    one.push(received("7f3178"));
    const other = client();
    other.machine.load(one.machine.save());
    other.settle();
    expect(other.run(ns(5_099_999_999))).toEqual([]);
    expect(other.run(ns(1))).toEqual(failed("UDS_TIMEOUT"));
  });
});
