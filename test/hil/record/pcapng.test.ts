import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Instant, RUN_START } from "../../../emulator/kernel/time.ts";
import { Trace } from "../../../emulator/kernel/trace.ts";
import { CanFlag, type CanFrame } from "../../../emulator/wire/can-frame.ts";
import { fromHex } from "../../../emulator/wire/text.ts";
import { CAPTURE_EPOCH, type CapturedFrame, framesOf } from "../../../hil/record/captured-frame.ts";
import { readPcapng } from "../../../hil/record/pcapng-reader.ts";
import { pcapngOfFrames, pcapngOfTrace } from "../../../hil/record/pcapng-writer.ts";
import { anyFrame } from "./any-frame.ts";
import { smallRun } from "./small-run.ts";

const hex = (pieces: Iterable<Uint8Array>): string => Buffer.concat([...pieces]).toString("hex");
const bytes = (text: string): Uint8Array => fromHex(text.replaceAll(/\s/g, "")) as Uint8Array;
const captured = (frame: CanFrame, time = 0n, bus = "can1"): CapturedFrame => ({ time, bus, frame });

/** Written out by hand from the draft: a section, an interface of link type 227 and one packet, little-endian. */
const SECTION = `0a0d0d0a 2c000000 4d3c2b1a 01000000 ffffffffffffffff
  0400 0800 6f746162656e6368 0000 0000 2c000000`;
const INTERFACE = `01000000 28000000 e300 0000 00000000
  0200 0400 63616e31 0900 0100 09000000 0000 0000 28000000`;

describe("a pcapng capture", () => {
  it("has section, interface and packet as the draft lays them out", () => {
    const time = 0x1_0000_0002n;
    const packet = `06000000 2c000000 00000000 01000000 02000000 0a000000 0a000000
      000007e0 02 00 00 00 3e80 0000 2c000000`;
    expect(hex(pcapngOfFrames([captured({ id: 0x7e0, flags: 0, data: bytes("3e80") }, time)]))).toBe(
      hex([bytes(SECTION), bytes(INTERFACE), bytes(packet)]),
    );
  });

  it("marks 29-bit, remote and FD frames as LINKTYPE_CAN_SOCKETCAN wants it", () => {
    const packetOf = (frame: CanFrame): string => {
      const [, , packet] = [...pcapngOfFrames([captured(frame)])] as [Uint8Array, Uint8Array, Uint8Array];
      const length = new DataView(packet.buffer).getUint32(20, true);
      return Buffer.from(packet.subarray(28, 28 + length)).toString("hex");
    };
    const { Extended, Fd, BitRateSwitch, ErrorStateIndicator, Remote } = CanFlag;
    expect(packetOf({ id: 0x18da15f1, flags: Extended, data: bytes("01") })).toBe("98da15f10100000001");
    expect(packetOf({ id: 0x123, flags: Remote, data: bytes("0000") })).toBe("4000012302000000");
    expect(packetOf({ id: 0x123, flags: Fd, data: bytes("01") })).toBe("000001230104000001");
    expect(packetOf({ id: 0x123, flags: Fd | BitRateSwitch, data: bytes("01") })).toBe("000001230105000001");
    expect(packetOf({ id: 1, flags: Fd | ErrorStateIndicator, data: bytes("") })).toBe("0000000100060000");
  });

  it("has one interface for each bus, named, and times from the epoch on", () => {
    const trace = new Trace();
    const frame = { node: "n", id: 1, flags: 0, data: bytes("00"), duration: 1 };
    trace.record(RUN_START, "can1", "can.frame", frame);
    trace.record(5 as Instant, "can2", "can.frame", frame);
    trace.record(7 as Instant, "can1", "can.frame", frame);
    const read = [...readPcapng(pcapngOfTrace(trace.events()))];
    const epoch = BigInt(CAPTURE_EPOCH) * 1_000_000_000n;
    expect(read.map(({ bus, time }) => [bus, time - epoch])).toEqual([
      ["can1", 0n],
      ["can2", 5n],
      ["can1", 7n],
    ]);
    const [first] = [...readPcapng(pcapngOfTrace(trace.events(), { epoch: 1 }))];
    expect(first?.time).toBe(1_000_000_000n);
  });

  it("gives back every frame of a run, and leaves the Ethernet interface out", () => {
    const trace = smallRun();
    const leftOut: string[] = [];
    const read = [...readPcapng(pcapngOfTrace(trace.events()), (what) => leftOut.push(what))];
    expect(read).toEqual(
      [...framesOf(trace.events())].map(({ time, bus, frame: { id, flags, data } }) => ({
        time,
        bus,
        frame: { id, flags, data: Uint8Array.from(data) },
      })),
    );
    expect(new Set(leftOut)).toEqual(new Set(["otherInterface"]));
  });

  it("gives back any frame, wherever the bytes are cut", () => {
    fc.assert(
      fc.property(
        fc.array(anyFrame(), { minLength: 1, maxLength: 8 }),
        fc.integer({ min: 1, max: 90 }),
        (frames, cut) => {
          const written = frames.map((frame, index) => captured(frame, BigInt(index) * 1_767_225_600_000_000_001n));
          const all = Buffer.concat([...pcapngOfFrames(written)]);
          const pieces = Array.from({ length: Math.ceil(all.length / cut) }, (_, index) =>
            Uint8Array.from(all.subarray(index * cut, (index + 1) * cut)),
          );
          expect([...readPcapng(pieces)]).toEqual(written);
        },
      ),
    );
  });

  it("is read in big-endian order, with microseconds where nothing is said, and without a name", () => {
    const file = `0a0d0d0a 0000001c 1a2b3c4d 0001 0000 ffffffffffffffff 0000001c
      00000001 00000014 00e3 0000 00000000 00000014
      00000006 0000002c 00000000 00000000 00000005 0000000a 0000000a 000007e0 02 00 00 00 3e80 0000 0000002c`;
    expect([...readPcapng([bytes(file)])]).toEqual([
      captured({ id: 0x7e0, flags: 0, data: bytes("3e80") }, 5000n, "can0"),
    ]);
  });

  it("is read with times in powers of two, an error frame among them, and a packet without time left out", () => {
    const file = `${SECTION}
      01000000 1c000000 e300 0000 00000000 0900 0100 8a000000 1c000000
      06000000 2c000000 00000000 00000000 00020000 0a000000 0a000000 000007e0 02000000 3e80 0000 2c000000
      06000000 30000000 00000000 00000000 00020000 10000000 10000000 20000080 08000000 0000000000000000 30000000
      03000000 18000000 08000000 000007e0 00000000 18000000
      0a000000 0c000000 0c000000`;
    const leftOut: string[] = [];
    const read = [...readPcapng([bytes(file)], (what) => leftOut.push(what))];
    expect(read.map(({ time }) => time)).toEqual([500_000_000n, 500_000_000n]);
    expect(read[1]?.frame).toEqual({ id: 0x2000_0080, flags: CanFlag.Extended, data: new Uint8Array(8) });
    expect(leftOut).toEqual(["withoutTime"]);
  });

  const packet = (body: string): string => `${SECTION} ${INTERFACE} ${body}`;
  const WRONG: readonly (readonly [what: string, file: string, code: string])[] = [
    ["an empty file", "", "PCAPNG_FOREIGN"],
    ["a classic pcap file", "d4c3b2a1 02000400 00000000 00000000 00000400 e3000000", "PCAPNG_FOREIGN"],
    ["a section without byte order", "0a0d0d0a 1c000000 00000000 00000000 00000000", "PCAPNG_MALFORMED"],
    ["a file that ends in a block", `${SECTION} 01000000 28000000 e3000000 00000000`, "PCAPNG_TRUNCATED"],
    ["a file that ends in the head of a block", `${SECTION} 01000000`, "PCAPNG_TRUNCATED"],
    ["a block of length 0", `${SECTION} 01000000 00000000 00000000`, "PCAPNG_MALFORMED"],
    ["a block of 4 GiB", `${SECTION} 01000000 fcffffff 00000000`, "PCAPNG_MALFORMED"],
    ["a block with two lengths", `${SECTION} 0a000000 0c000000 10000000`, "PCAPNG_MALFORMED"],
    ["a short interface", `${SECTION} 01000000 10000000 e3000000 10000000`, "PCAPNG_MALFORMED"],
    [
      "an option that does not fit",
      `${SECTION} 01000000 18000000 e3000000 00000000 02004000 18000000`,
      "PCAPNG_MALFORMED",
    ],
    ["a short packet block", packet("06000000 10000000 00000000 10000000"), "PCAPNG_MALFORMED"],
    [
      "a packet of an interface that is not described",
      packet("06000000 20000000 07000000 00000000 00000000 00000000 00000000 20000000"),
      "PCAPNG_MALFORMED",
    ],
    [
      "a packet longer than its block",
      packet("06000000 20000000 00000000 00000000 00000000 09000000 09000000 20000000"),
      "PCAPNG_MALFORMED",
    ],
    [
      "a packet shorter than a CAN header",
      packet("06000000 24000000 00000000 00000000 00000000 04000000 04000000 000007e0 24000000"),
      "PCAPNG_MALFORMED",
    ],
    [
      "a packet with fewer data than it announces",
      packet("06000000 28000000 00000000 00000000 00000000 08000000 08000000 000007e0 02000000 28000000"),
      "PCAPNG_MALFORMED",
    ],
    [
      "an 11-bit identifier of 12 bits",
      packet("06000000 28000000 00000000 00000000 00000000 08000000 08000000 00000800 00000000 28000000"),
      "PCAPNG_MALFORMED",
    ],
  ];
  for (const [what, file, code] of WRONG) {
    it(`gives a named error for ${what}`, () => {
      expect(() => [...readPcapng([bytes(file)])]).toThrow(expect.objectContaining({ code }));
    });
  }

  it("gives frames or a named error whatever byte of it is another", () => {
    const good = Buffer.concat([...pcapngOfFrames([captured({ id: 0x7e0, flags: 0, data: bytes("3e80") })])]);
    fc.assert(
      fc.property(fc.integer({ min: 0, max: good.length - 1 }), fc.integer({ min: 0, max: 255 }), (index, value) => {
        const file = Uint8Array.from(good);
        file[index] = value;
        try {
          expect([...readPcapng([file])].length).toBeLessThanOrEqual(1);
        } catch (error) {
          expect(error).toMatchObject({ code: expect.stringMatching(/^PCAPNG_/) });
        }
      }),
    );
  });
});
