import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { ms, s } from "../../../emulator/kernel/time.ts";
import type { SecuredConfig } from "../../../emulator/uds/secured/config.ts";
import { nodeCrypto } from "../../../hil/crypto/node-crypto.ts";
import { bytes, EcuBench, hex, smallEcu } from "./support/ecu-bench.ts";

interface Vector {
  readonly name: string;
  readonly counter: number;
  readonly inner: string;
  readonly answer: string;
  readonly request: string;
  readonly response: string;
}

const path = new URL("../../../fixtures/secured/vectors.json", import.meta.url);
const FILE = JSON.parse(readFileSync(path, "utf8")) as {
  readonly hmacSha256Key: string;
  readonly aes128GcmKey: string;
  readonly vectors: readonly Vector[];
};
const KEYS: SecuredConfig = {
  services: [],
  hmacSha256Key: bytes(FILE.hmacSha256Key),
  aes128GcmKey: bytes(FILE.aes128GcmKey),
};
const [SIGNED, UNSIGNED, SEALED] = FILE.vectors as [Vector, Vector, Vector];
const spaced = (text: string): string => hex(bytes(text));

const secured = (config: Partial<SecuredConfig> = {}, uds = {}): EcuBench =>
  EcuBench.running(smallEcu({ uds: { secured: { ...KEYS, ...config }, ...uds } }));

/** A request with an HMAC over what is in it, right or wrong. */
function signed(inner: string, counter: number, admin = "0069", calculation = "00", signatureLength = "0020"): string {
  const head = `84 ${admin} ${calculation} ${signatureLength} ${counter.toString(16).padStart(4, "0")} ${inner}`;
  return head + hex(nodeCrypto.hmacSha256(KEYS.hmacSha256Key as Uint8Array, bytes(head)));
}

/** What is inside a signed 0xC4 response. */
function inside(response: string): string {
  const data = bytes(response);
  const [end] = [data.length - 32];
  expect(hex(data.subarray(0, 6))).toBe("c4 00 28 00 00 20");
  const right = nodeCrypto.hmacSha256(KEYS.hmacSha256Key as Uint8Array, data.slice(0, end));
  expect(hex(data.subarray(end))).toBe(hex(right));
  return hex(data.slice(8, end));
}

/** Asks inside 0x84, with the counters from 1 on. */
function insider(bench: EcuBench): (request: string) => string {
  let counter = 0;
  return (request) => {
    counter += 1;
    const answer = bench.ask(signed(request, counter));
    return answer.startsWith("c4") ? inside(answer) : answer;
  };
}

describe("0x84 SecuredDataTransmission", () => {
  it.each(FILE.vectors)("answers as Python's cryptography does: $name", ({ request, response }) => {
    expect(secured().ask(request)).toBe(spaced(response));
  });

  it("is not there unless configured", () => {
    expect(EcuBench.running().ask(SIGNED.request)).toBe("7f 84 11");
  });

  it("is not answered when it comes functionally", () => {
    expect(secured().send(SIGNED.request, true)).toEqual([]);
  });

  it.each([
    ["84", "no parameters"],
    ["84 0069 00 0020 0001", "no message"],
    ["84 0069 00 0001 0001 22", "a signature that leaves no message"],
    ["84 0069 00 ffff 0001 22 f195", "a signature that is longer than all"],
  ])("answers 0x13 to %s: %s", (request) => {
    expect(secured().ask(request)).toBe("7f 84 13");
  });

  it.each([
    ["the standard's example, whose key is not ours", "84 0061 00 0006 0124 2e f123aa55 dbd10edc55aa"],
    ["a signature that is wrong", `${SIGNED.request.slice(0, -2)}00`],
    ["a message that was changed", SIGNED.request.replace("22f195", "22f190")],
    ["a counter that was changed", SIGNED.request.replace("0001", "0002")],
    ["a sealed message that was changed", `${SEALED.request.slice(0, -2)}00`],
    ["a response that is sent back", SIGNED.response],
    ["no signature", signed("22 f195", 1, "0049", "00", "0000")],
    ["a signature of another length", signed("22 f195", 1, "0069", "00", "001f")],
    ["no request", signed("22 f195", 1, "0068")],
    ["a key that is still to be agreed upon", signed("22 f195", 1, "0061")],
    ["a reserved bit", signed("22 f195", 1, "0169")],
    ["encryption that is not done", signed("22 f195", 1, "0079")],
    ["an unknown calculation", signed("22 f195", 1, "0069", "02")],
    ["another calculation", signed("22 f195", 1, "0069", "01")],
    ["the counter 0", signed("22 f195", 0)],
  ])("answers 0x3A to %s", (_, request) => {
    const answer = secured().ask(request);
    expect(answer).toBe(request.startsWith("c4") ? "7f c4 11" : "7f 84 3a");
  });

  it("answers 0x3A to a method without a key", () => {
    const { aes128GcmKey: _, ...rest } = KEYS;
    const bench = EcuBench.running(smallEcu({ uds: { secured: rest } }));
    expect(bench.ask(SEALED.request)).toBe("7f 84 3a");
    expect(bench.ask(SIGNED.request)).toBe(spaced(SIGNED.response));
  });

  it("takes each counter once, and none below the last", () => {
    const bench = secured();
    expect(bench.ask(UNSIGNED.request)).toBe(spaced(UNSIGNED.response));
    expect(bench.ask(UNSIGNED.request)).toBe("7f 84 3a");
    expect(bench.ask(SIGNED.request)).toBe("7f 84 3a");
    expect(bench.ask(SEALED.request)).toBe(spaced(SEALED.response));
  });

  it("does not count what is forged", () => {
    const bench = secured();
    bench.ask(`${SEALED.request.slice(0, -2)}00`);
    expect(bench.ask(SIGNED.request)).toBe(spaced(SIGNED.response));
  });

  it("takes nothing more once the counter has come to its end", () => {
    const bench = secured();
    bench.ask(signed("3e 00", 0xffff));
    expect(bench.ask(signed("3e 00", 1))).toBe("7f 84 3a");
    expect(bench.ask(signed("3e 00", 0xffff))).toBe("7f 84 3a");
  });

  it.each(["84 00", "2a 01 f2", "86 00 02"])("answers 0x39 to %s inside", (inner) => {
    expect(secured().ask(signed(inner, 1))).toBe("7f 84 39");
  });

  it("refuses a replay after a reset and after a power cut, also one before the answer", () => {
    const bench = secured();
    bench.ask(signed("11 01", 1));
    bench.untilRunning();
    expect(bench.ask(signed("11 01", 1))).toBe("7f 84 3a");
    expect(bench.send(signed("22 f195", 2))).toEqual([]);
    bench.after(ms(1));
    bench.powerOff();
    bench.powerOn();
    expect(bench.ask(signed("22 f195", 2))).toBe("7f 84 3a");
    expect(bench.ask(signed("22 f195", 3))).toMatch(/^c4/);
  });
});

describe("a request inside 0x84", () => {
  it("changes sessions, gets security access and programs as one outside does", () => {
    const bench = secured();
    const ask = insider(bench);
    expect(ask("10 03")).toBe("50 03 00 32 01 f4");
    expect(ask("10 02")).toBe("50 02 00 32 01 f4");
    expect(ask("31 01 ff 00")).toBe("7f 31 33");
    expect(bench.unlock()).toBe("67 02");
    expect(ask("31 01 ff 00")).toBe("71 01 ff 00 00");
    expect(ask("34 00 44 800d2000 00001000")).toBe("74 20 0f e2");
    bench.after(s(5));
    expect(bench.ask("22 f1 86")).toBe("62 f1 86 01");
  });

  it("is kept waiting with an open 7F 84 78 within P2 of its coming", () => {
    const bench = secured();
    bench.enterProgramming();
    const asked = bench.now;
    bench.send(signed("31 01 ff 00", 1));
    bench.after(ms(45.1));
    expect(bench.responses.at(-1)).toBe("7f 84 78");
    const [sent] = bench.events("uds.response").slice(-1);
    expect((sent?.at ?? 0) - asked).toBeLessThan(ms(50));
    expect(bench.send("3e 00")).toEqual(["7f 3e 21"]);
    bench.after(s(5));
    expect(inside(bench.responses.at(-1) as string)).toBe("71 01 ff 00 00");
  });

  it("is answered with its own negative responses, which are signed too", () => {
    const ask = insider(secured());
    expect([ask("ba"), ask("3e 01"), ask("22"), ask("10 02"), ask("2e f15b 00")]).toEqual([
      "7f ba 11",
      "7f 3e 12",
      "7f 22 13",
      "7f 10 7e",
      "7f 2e 7f",
    ]);
  });

  it("that suppresses its positive response has none", () => {
    const bench = secured();
    bench.send(signed("3e 80", 1));
    bench.after(s(1));
    expect(bench.responses).toEqual([]);
  });

  it("resets when its answer is on the wire", () => {
    const bench = secured();
    expect(insider(bench)("11 01")).toBe("51 01");
    expect(bench.core.running).toBeUndefined();
  });

  it("is answered 0x14 when its response does not fit with the envelope around it", () => {
    const bench = secured({}, { responseSizeMax: 60 });
    const ask = insider(bench);
    expect(bench.ask("22 f190 f190")).toMatch(/^62/);
    expect(ask("22 f190 f190")).toBe("7f 22 14");
  });

  it("is in the trace in the clear, with its answer", () => {
    const bench = secured();
    bench.ask(SEALED.request);
    expect(bench.events("uds.secured").map(({ way, data }) => `${way} ${hex(data)}`)).toEqual([
      `request ${spaced(SEALED.inner)}`,
      `response ${spaced(SEALED.answer)}`,
    ]);
  });

  it("goes on alike in a world that is forked while its counter is stored", () => {
    const bench = secured();
    bench.send(SEALED.request);
    const fork = new EcuBench(bench.config);
    fork.world.restore(bench.world.snapshot());
    for (const each of [bench, fork]) {
      each.after(s(1));
      expect(each.responses).toEqual([spaced(SEALED.response)]);
    }
  });
});

describe("a service that is only allowed inside 0x84", () => {
  it("is answered 0x38 outside, before session and length are looked at", () => {
    const bench = secured({ services: [0x22, 0x2e] });
    expect(bench.ask("22")).toBe("7f 22 38");
    expect(bench.ask("2e f15b 00")).toBe("7f 2e 38");
    expect(insider(bench)("22 f1 86")).toBe("62 f1 86 01");
    expect(bench.ask("3e 00")).toBe("7e 00");
  });

  it("is answered 0x38 when it comes functionally, which is no NRC to be silent about", () => {
    expect(secured({ services: [0x22] }).send("22 f195", true)).toEqual(["7f 22 38"]);
  });

  it("is not answered in the open by an event of 0x86", () => {
    const bench = secured({ services: [0x22] });
    expect(bench.ask("86 02 02 03 22 f186")).toMatch(/^c6/);
    bench.ask("86 05 02");
    bench.after(ms(150));
    expect(bench.responses.at(-1)).toBe("7f 22 38");
  });
});
