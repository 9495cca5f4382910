import { describe, expect, it } from "vitest";
import type { CanLink, CanListener } from "../../../emulator/bus/link.ts";
import { normalFixed } from "../../../emulator/isotp/addressing.ts";
import { classicIsoTp, fdIsoTp } from "../../../emulator/isotp/defaults.ts";
import { IsoTpNode } from "../../../emulator/isotp/isotp-node.ts";
import { Prng } from "../../../emulator/kernel/prng.ts";
import { type Instant, ms, s, us } from "../../../emulator/kernel/time.ts";
import { World } from "../../../emulator/kernel/world.ts";
import { CanFlag, type CanFrame } from "../../../emulator/wire/can-frame.ts";
import { encodeConsecutiveFrame, encodeFirstFrame } from "../../../emulator/wire/n-pci.ts";
import { IsoTpPair, Listener } from "./isotp-pair.ts";

const MIB = 1024 * 1024;
const random = (length: number): Uint8Array => new Prng(`limits ${length}`).bytes(length);

describe("long messages", () => {
  it("carries 1 MiB as one message on CAN FD", () => {
    const pair = new IsoTpPair({ dataBitRate: 5_000_000, ecu: { messageSizeMax: MIB, blockSize: 255 } });
    pair.testerChannel.send(random(MIB));
    pair.end();
    expect(pair.ecuHears.messages).toEqual([random(MIB)]);
    const first = pair.events("can.frame")[0]?.data ?? new Uint8Array(0);
    expect([...first.subarray(0, 6)]).toEqual([0x10, 0, 0, 0x10, 0, 0]);
  });

  it.each([4095, 4096, 4097, 8191, 8192, 8193, 100_000])("carries %i bytes up to a configured maximum", (length) => {
    const pair = new IsoTpPair({ dataBitRate: 2_000_000, ecu: { messageSizeMax: length } });
    pair.testerChannel.send(random(length));
    pair.end();
    expect(pair.ecuHears.messages).toEqual([random(length)]);
    pair.testerChannel.send(random(length + 1));
    pair.end();
    expect(pair.testerHears.short).toEqual(["sent", "sending N_BUFFER_OVFLW"]);
    expect(pair.ecuHears.messages).toHaveLength(1);
  });
});

describe("STmin on the bus", () => {
  it.each([100, 200, 900])("is kept at %i us from one EOF to the next SOF, to the nanosecond", (span) => {
    const pair = new IsoTpPair({ ecu: { stMin: us(span) } });
    pair.testerChannel.send(random(100));
    pair.end();
    const frames = pair.events("can.frame").filter(({ data }) => (data[0] ?? 0) >> 4 === 2);
    const gaps = frames.slice(1).map((frame, index) => frame.at - frame.duration - (frames[index]?.at ?? 0));
    expect(new Set(gaps)).toEqual(new Set([us(span)]));
  });
});

/** A link that sends at once; frames come in by `give`. */
class InstantLink implements CanLink {
  sent = 0;
  #listener: CanListener | undefined;

  transmit(frame: CanFrame): void {
    this.sent++;
    this.#listener?.transmitted(frame, 0 as Instant);
  }

  abortAll(): void {}

  setActive(): void {}

  attach(listener: CanListener): void {
    this.#listener = listener;
  }

  give(id: number, data: Uint8Array): void {
    this.#listener?.received({ id, flags: CanFlag.Extended | CanFlag.Fd, data }, 0 as Instant);
  }
}

const memoryUsed = (): number => {
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
};

describe("memory", () => {
  it("stays bounded while 10 000 senders each leave a message of 1 MiB half open, and service goes on", () => {
    const world = new World();
    const link = new InstantLink();
    const node = new IsoTpNode("ecu", link, world.timeline, world.trace);
    const listener = new Listener(world);
    const shape = { txDl: 64 };
    const config = { messageSizeMax: MIB, nCr: s(10) };
    const requestOf = (sender: number): number => 0x1800_0000 + sender;
    for (let sender = 0; sender < 10_000; sender++) {
      const address = { txId: 0x1900_0000 + sender, rxId: requestOf(sender), extended: true };
      node.open(fdIsoTp(address, config), listener);
    }
    const first = encodeFirstFrame(random(MIB), shape);
    const before = memoryUsed();
    for (let round = 0; round < 3; round++) {
      for (let sender = 0; sender < 10_000; sender++) link.give(requestOf(sender), first);
    }
    expect(memoryUsed() - before).toBeLessThan(100 * MIB); // announced are 10 GiB, three times
    expect(link.sent).toBe(30_000);
    // One of them goes on to the end, a page at a time.
    const whole = random(MIB);
    for (let offset = 58, sn = 1; offset < MIB; offset += 63, sn = (sn + 1) & 15) {
      link.give(requestOf(77), encodeConsecutiveFrame(whole, offset, sn, shape));
    }
    expect(listener.messages).toEqual([whole]);
    listener.heard.length = 0;
    world.timeline.runUntil(s(10) as unknown as Instant);
    expect(listener.short).toHaveLength(9_999);
    expect(new Set(listener.short)).toEqual(new Set(["receiving N_TIMEOUT_Cr"]));
  });

  it("stays bounded under 10 000 first frames from one sender, each of which ends the one before", () => {
    const pair = new IsoTpPair({ dataBitRate: 2_000_000, ecu: { messageSizeMax: MIB } });
    const data = encodeFirstFrame(random(MIB), { txDl: 64 });
    pair.testerPort.attach({ received: () => undefined, transmitted: () => undefined, aborted: () => undefined });
    const before = memoryUsed();
    for (let frame = 0; frame < 10_000; frame++) {
      pair.testerPort.transmit({ id: 0x7e0, flags: CanFlag.Fd, data });
      pair.run(ms(2));
    }
    expect(memoryUsed() - before).toBeLessThan(100 * MIB);
    expect(pair.ecuHears.short).toHaveLength(9_999);
    expect(new Set(pair.ecuHears.short)).toEqual(new Set(["receiving N_UNEXP_PDU"]));
    pair.testerPort.transmit({ id: 0x7e0, flags: CanFlag.Fd, data: Uint8Array.of(2, 0x3e, 0x80) });
    pair.run(ms(2));
    expect(pair.ecuHears.messages).toEqual([Uint8Array.of(0x3e, 0x80)]);
  });

  it("is not taken by first frames to a functional group or to nobody", () => {
    const world = new World();
    const link = new InstantLink();
    const listener = new Listener(world);
    const node = new IsoTpNode("ecu", link, world.timeline, world.trace);
    const address = { txId: normalFixed(0xf1, 0x15), rxId: normalFixed(0x15, 0xf1), extended: true };
    node.open(classicIsoTp({ ...address, functionalRxId: normalFixed(0x33, 0xf1, true) }), listener);
    const first = encodeFirstFrame(random(4000), { txDl: 64 });
    for (let source = 0; source < 0x100; source++) {
      link.give(normalFixed(0x33, 0xf1, true), first);
      if (source !== 0xf1) link.give(normalFixed(0x15, source), first);
    }
    expect([link.sent, listener.heard]).toEqual([0, []]);
  });
});
