import { describe, expect, it } from "vitest";
import { DOIP_PAYLOAD_MAX, encodeDoip, HeaderNack } from "../../../emulator/wire/doip.ts";
import { DoipFramer } from "../../../emulator/wire/doip-framer.ts";
import { fromHex } from "../../../emulator/wire/text.ts";

const bytes = (hex: string): Uint8Array => fromHex(hex.replaceAll(" ", "")) as Uint8Array;
const concat = (...parts: readonly Uint8Array[]): Uint8Array => Uint8Array.from(parts.flatMap((part) => [...part]));

function drain(framer: DoipFramer): string[] {
  const found: string[] = [];
  for (let next = framer.next(); next !== undefined; next = framer.next()) {
    found.push(next.type === "malformed" ? `nack ${next.nack}` : next.type);
  }
  return found;
}

const message = (length: number) =>
  encodeDoip({ type: "diagnosticMessage", source: 0x0e80, target: 0x1015, data: new Uint8Array(length) });
const THREE = concat(
  message(3),
  encodeDoip({ type: "aliveCheckResponse", source: 0x0e80 }),
  encodeDoip({ type: "aliveCheckRequest" }),
);

describe("DoipFramer", () => {
  it("finds the messages wherever the stream was cut", () => {
    for (let first = 0; first <= THREE.length; first++) {
      for (let second = first; second <= THREE.length; second++) {
        const framer = new DoipFramer();
        const found: string[] = [];
        for (const piece of [THREE.subarray(0, first), THREE.subarray(first, second), THREE.subarray(second)]) {
          framer.push(piece);
          found.push(...drain(framer));
        }
        expect(found).toEqual(["diagnosticMessage", "aliveCheckResponse", "aliveCheckRequest"]);
      }
    }
  });

  it("finds them byte by byte", () => {
    const framer = new DoipFramer();
    const found = [...THREE].flatMap((byte) => {
      framer.push(Uint8Array.of(byte));
      return drain(framer);
    });
    expect(found).toHaveLength(3);
  });

  it("passes over a message of an unknown type, and goes on behind it", () => {
    const stream = concat(bytes("02fd 9000 00000003 010203"), message(1));
    for (let cut = 0; cut <= stream.length; cut++) {
      const framer = new DoipFramer();
      framer.push(stream.subarray(0, cut));
      const before = drain(framer);
      framer.push(stream.subarray(cut));
      expect([...before, ...drain(framer)]).toEqual([`nack ${HeaderNack.UnknownPayloadType}`, "diagnosticMessage"]);
    }
  });

  it("passes over a message that is too large without keeping any of it", () => {
    const framer = new DoipFramer();
    framer.push(bytes("02fd 8001 00100000"));
    expect(drain(framer)).toEqual([`nack ${HeaderNack.MessageTooLarge}`]);
    for (let left = 0x100000; left > 0; left -= 0x1000) {
      framer.push(new Uint8Array(0x1000));
      expect(drain(framer)).toEqual([]);
      expect(framer.save().pending).toHaveLength(0);
    }
    framer.push(message(1));
    expect(drain(framer)).toEqual(["diagnosticMessage"]);
  });

  it("takes the longest message that it may", () => {
    const framer = new DoipFramer();
    framer.push(message(DOIP_PAYLOAD_MAX - 4));
    expect(drain(framer)).toEqual(["diagnosticMessage"]);
  });

  it.each([
    ["a wrong pattern", "02fc 8001 00000005", HeaderNack.IncorrectPatternFormat],
    ["an impossible length", "02fd 0007 00000001", HeaderNack.InvalidPayloadLength],
  ])("is lost after %s, until it is reset", (_, hex, nack) => {
    const framer = new DoipFramer();
    framer.push(concat(bytes(hex), message(1)));
    expect(drain(framer)).toEqual([`nack ${nack}`]);
    framer.push(message(1));
    expect(drain(framer)).toEqual([]);
    framer.reset();
    framer.push(message(1));
    expect(drain(framer)).toEqual(["diagnosticMessage"]);
  });

  it("goes on from what was saved in the middle of a message", () => {
    for (let cut = 0; cut <= THREE.length; cut++) {
      const [one, other] = [new DoipFramer(), new DoipFramer()];
      one.push(THREE.subarray(0, cut));
      const before = drain(one);
      other.load(one.save());
      other.push(THREE.subarray(cut));
      expect([...before, ...drain(other)]).toHaveLength(3);
    }
  });
});
