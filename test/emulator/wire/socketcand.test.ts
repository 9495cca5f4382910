import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CanFlag, type CanFrame } from "../../../emulator/wire/can-frame.ts";
import { decodeSocketcand, encodeSocketcand } from "../../../emulator/wire/socketcand.ts";

const bytes = (...octets: number[]): Uint8Array => Uint8Array.from(octets);
const sent = (id: number, flags: number, data: Uint8Array) => ({ type: "send", frame: { id, flags, data } });

describe("socketcand elements", () => {
  it("reads frames, with 29 bits where there are eight digits or where eleven bits are too few", () => {
    expect(decodeSocketcand(" send 123 0 ")).toEqual(sent(0x123, 0, bytes()));
    expect(decodeSocketcand(" send 1AAAAAAA 2 1 F1 ")).toEqual(sent(0x1aaaaaaa, CanFlag.Extended, bytes(1, 0xf1)));
    expect(decodeSocketcand(" send 00000123 1 ff ")).toEqual(sent(0x123, CanFlag.Extended, bytes(0xff)));
    expect(decodeSocketcand(" send 7654321 1 ff ")).toEqual(sent(0x7654321, CanFlag.Extended, bytes(0xff)));
    expect(decodeSocketcand(" sendrtr 123 2 ")).toEqual(sent(0x123, CanFlag.Remote, bytes(0, 0)));
    expect(decodeSocketcand(" fdsend 123 5 12 1 2 3 4 5 6 7 8 9 a b c ")).toEqual(
      sent(0x123, CanFlag.Fd | CanFlag.BitRateSwitch, bytes(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12)),
    );
  });

  it("reads what opens a bus", () => {
    expect(decodeSocketcand(" open can1 ")).toEqual({ type: "open", bus: "can1" });
    expect(decodeSocketcand("rawmode")).toEqual({ type: "rawmode" });
    expect(decodeSocketcand(" echo ")).toEqual({ type: "echo" });
    expect(decodeSocketcand(" bcmmode ")).toEqual({ type: "unknown", name: "bcmmode" });
  });

  for (const text of [
    "",
    "open",
    "open a b",
    "rawmode 1",
    "send",
    "send 123",
    "send 123 2 11",
    "send 123 1 11 22",
    "send 123 9 1 2 3 4 5 6 7 8 9",
    "send 123456789 0",
    "send 2FFFFFFF 0",
    "send xyz 0",
    "send 123 1 xx",
    "send 123 1 123",
    "sendrtr 123 9",
    "sendrtr 123 1 0",
    "fdsend 123 4 9 1 2 3 4 5 6 7 8 9",
    "fdsend 123 zz 0",
    "fdsend 123 4",
  ]) {
    it(`refuses "${text}" with a reason`, () => {
      expect(decodeSocketcand(` ${text} `)).toMatchObject({ type: "malformed", reason: expect.any(String) });
    });
  }

  it("writes frames as the original does, each with a line feed", () => {
    const at = 23_424_242;
    const text = (frame: CanFrame) => encodeSocketcand(frame, at);
    expect(text({ id: 0x123, flags: 0, data: bytes(0x11, 0x22, 0x33, 0x44) })).toBe(
      "< frame 123 23.424242 11223344 >\n",
    );
    expect(text({ id: 0x123, flags: CanFlag.Extended, data: bytes() })).toBe("< frame 00000123 23.424242  >\n");
    expect(text({ id: 0x123, flags: CanFlag.Remote, data: bytes(0, 0, 0, 0) })).toBe("< rtr 123 23.424242 4 >\n");
    const fd = { id: 0x18da15f1, flags: CanFlag.Extended | CanFlag.Fd | CanFlag.BitRateSwitch, data: bytes(1) };
    expect(text(fd)).toBe("< fdframe 18DA15F1 05 23.424242 01 >\n");
  });

  it("gives a command or a reason for any text", () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.string(), fc.stringMatching(/^(fd)?send [0-9A-F]{1,9}( [0-9a-f]{1,3}){0,10}$/)),
        (text) => {
          expect(decodeSocketcand(text).type).toEqual(expect.any(String));
        },
      ),
      { numRuns: Number(process.env.OTABENCH_RUNS ?? 1000) },
    );
  });
});
