import { describe, expect, it } from "vitest";
import { FaultyCanLink } from "../../../emulator/bus/faulty-can-link.ts";
import { VirtualCanBus } from "../../../emulator/bus/virtual-can-bus.ts";
import { normalFixed } from "../../../emulator/isotp/addressing.ts";
import { classicIsoTp, fdIsoTp } from "../../../emulator/isotp/defaults.ts";
import { IsoTpNode } from "../../../emulator/isotp/isotp-node.ts";
import { UsageError } from "../../../emulator/kernel/errors.ts";
import { Prng } from "../../../emulator/kernel/prng.ts";
import { type Instant, ms, us } from "../../../emulator/kernel/time.ts";
import { World } from "../../../emulator/kernel/world.ts";
import { CanFlag } from "../../../emulator/wire/can-frame.ts";
import { CanLog, canFrame } from "../../conformance/can-link/can-link-suite.ts";
import { IsoTpPair, Listener } from "./isotp-pair.ts";

const SEED = 15765;
const random = (length: number): Uint8Array => new Prng(`${SEED} ${length}`).bytes(length);

describe("IsoTpNode", () => {
  it.each([1, 7, 8, 62, 63, 100, 4095, 4096, 70_000])("carries %i bytes on classic CAN", (length) => {
    const pair = new IsoTpPair({ ecu: { messageSizeMax: 100_000 } });
    pair.testerChannel.send(random(length));
    pair.end();
    expect(pair.ecuHears.messages).toEqual([random(length)]);
    expect(pair.testerHears.short).toEqual(["sent"]);
    expect(pair.testerHears.heard[0]?.at).toBe(pair.ecuHears.heard[0]?.at);
  });

  it.each([8, 12, 16, 20, 24, 32, 48, 64] as const)("carries every length on CAN FD with TX_DL %i", (txDl) => {
    const pair = new IsoTpPair({ dataBitRate: 2_000_000, tester: { txDl }, ecu: { txDl, blockSize: 3 } });
    for (let length = 1; length <= 200; length++) {
      pair.testerChannel.send(random(length));
      pair.end();
    }
    expect(pair.ecuHears.messages).toHaveLength(200);
    for (const message of pair.ecuHears.messages) expect(message).toEqual(random(message.length));
  });

  it("fills every frame of a padded channel up, and none of an unpadded one", () => {
    const lengths = (padding: number | undefined): number[] => {
      const { padding: _, ...config } = classicIsoTp({ txId: 1, rxId: 2, extended: false });
      const world = new World();
      const bus = new VirtualCanBus({ name: "can1", bitRate: 500_000 }, world.timeline, world.trace);
      const [a, b] = [bus.join("a"), bus.join("b")];
      const log = new CanLog(b);
      const node = new IsoTpNode("a", a, world.timeline, world.trace);
      const channel = node.open(padding === undefined ? config : { ...config, padding }, new Listener(world));
      channel.send(random(9));
      world.timeline.runUntil(ms(1) as unknown as Instant);
      b.transmit(canFrame(2, 0x30, 0, 0));
      world.timeline.runUntil(ms(2) as unknown as Instant);
      channel.send(random(2));
      world.timeline.runUntil(ms(3) as unknown as Instant);
      return log.frames("received").map(({ data }) => data.length);
    };
    expect(lengths(undefined)).toEqual([8, 4, 3]);
    expect(lengths(0x55)).toEqual([8, 8, 8]);
  });

  it("is full duplex on one address pair: both ends send long messages at the same time", () => {
    const pair = new IsoTpPair({ tester: { blockSize: 4 }, ecu: { blockSize: 7, stMin: us(200) } });
    pair.testerChannel.send(random(3000));
    pair.ecuChannel.send(random(3001));
    pair.end();
    expect(pair.ecuHears.messages).toEqual([random(3000)]);
    expect(pair.testerHears.messages).toEqual([random(3001)]);
    const overlap = pair.testerHears.heard.map(({ at }) => at);
    expect(Math.max(...overlap) - Math.min(...overlap)).toBeLessThan(ms(500));
  });

  it("keeps STmin on the bus from one EOF to the next SOF", () => {
    const pair = new IsoTpPair({ ecu: { stMin: us(300) } });
    pair.testerChannel.send(random(100));
    pair.end();
    const frames = pair.events("can.frame").filter(({ data }) => (data[0] ?? 0) >> 4 === 2);
    const gaps = frames.slice(1).map((frame, index) => frame.at - frame.duration - (frames[index]?.at ?? 0));
    expect(new Set(gaps)).toEqual(new Set([us(300)]));
  });

  it("uses 29-bit identifiers of normal fixed addressing", () => {
    const pair = new IsoTpPair();
    const [target, source] = [normalFixed(0x15, 0xf1), normalFixed(0xf1, 0x15)];
    const hears = new Listener(pair.world);
    const far = new Listener(pair.world);
    const near = pair.tester.open(classicIsoTp({ txId: target, rxId: source, extended: true }), hears);
    pair.ecu.open(classicIsoTp({ txId: source, rxId: target, extended: true }), far);
    near.send(random(50));
    pair.end();
    expect(far.messages).toEqual([random(50)]);
    expect(pair.events("can.frame").every(({ flags }) => flags === CanFlag.Extended)).toBe(true);
    expect(pair.events("can.frame")[0]?.id).toBe(0x18da15f1);
  });

  it("does not take an 11-bit frame for a 29-bit one of the same number", () => {
    const pair = new IsoTpPair();
    pair.testerPort.transmit({ id: 0x7e0, flags: CanFlag.Extended, data: Uint8Array.of(1, 2) });
    pair.end();
    expect(pair.ecuHears.heard).toEqual([]);
  });

  it("ignores remote frames", () => {
    const pair = new IsoTpPair();
    pair.testerPort.transmit({ id: 0x7e0, flags: CanFlag.Remote, data: Uint8Array.of(1, 2) });
    pair.end();
    expect(pair.ecuHears.heard).toEqual([]);
  });

  it("counts what makes no N_PDU, and tells of the first, the second, the fourth and so on", () => {
    const pair = new IsoTpPair({
      ecu: { address: { txId: 0x7e8, rxId: 0x7e0, extended: false, functionalRxId: 0x7df } },
    });
    pair.testerPort.transmit(canFrame(0x7e0, 0x05, 1));
    for (let count = 0; count < 10; count++) pair.testerPort.transmit(canFrame(0x7e0, 0x40));
    pair.testerPort.transmit(canFrame(0x7e0, 0x02, 0x3e, 0x00));
    for (let count = 0; count < 5; count++) pair.testerPort.transmit(canFrame(0x7df, 0x21, 1, 2, 3, 4, 5, 6, 7));
    pair.end();
    expect(pair.ecuHears.messages).toEqual([Uint8Array.of(0x3e, 0x00)]);
    expect(pair.events("isotp.ignored").map(({ source, rxId, count }) => [source, rxId, count])).toEqual(
      [1, 2, 4, 8, 16].map((count) => ["ecu", 0x7e0, count]),
    );
    expect([...new Set(pair.events("isotp.ignored").map(({ reason }) => reason))]).toEqual([
      "SF_DL 5 in 2 bytes",
      "N_PCI type 4 is reserved",
      "CF to a group",
    ]);
  });

  it("refuses two channels that receive the same identifier, and long frames on classic CAN", () => {
    const pair = new IsoTpPair();
    const again = classicIsoTp({ txId: 0x700, rxId: 0x7e8, extended: false });
    expect(() => pair.tester.open(again, pair.testerHears)).toThrow(UsageError);
    const long = classicIsoTp({ txId: 0x700, rxId: 0x701, extended: false }, { txDl: 64 });
    expect(() => pair.tester.open(long, pair.testerHears)).toThrow(UsageError);
  });

  it("runs many channels at once, each at its own pace", () => {
    const pair = new IsoTpPair();
    const far: Listener[] = [];
    for (let index = 0; index < 20; index++) {
      const [down, up] = [0x600 + index, 0x680 + index];
      const near = pair.tester.open(classicIsoTp({ txId: down, rxId: up, extended: false }), pair.testerHears);
      const hears = new Listener(pair.world);
      far.push(hears);
      pair.ecu.open(classicIsoTp({ txId: up, rxId: down, extended: false }, { stMin: ms(index % 4) }), hears);
      near.send(random(500 + index));
    }
    pair.end();
    for (const [index, listener] of far.entries()) expect(listener.messages).toEqual([random(500 + index)]);
  });
});

describe("IsoTpNode functional addressing", () => {
  const functional = { txId: 0x7df, extended: false, txDl: 8, fd: false, bitRateSwitch: false, nAs: ms(1000) } as const;

  it("delivers a single frame to all that listen, and says that it was functional", () => {
    const pair = new IsoTpPair();
    const other = new Listener(pair.world);
    const address = { txId: 0x7e9, rxId: 0x7e1, extended: false, functionalRxId: 0x7df };
    pair.ecu.open(classicIsoTp(address), other);
    const said: string[] = [];
    const channel = pair.tester.openFunctional(functional, {
      sent: () => void said.push("sent"),
      failed: (_, result) => void said.push(result),
    });
    channel.send(Uint8Array.of(0x3e, 0x80));
    pair.end();
    for (const listener of [pair.ecuHears, other]) {
      expect(listener.heard).toMatchObject([{ type: "message", data: Uint8Array.of(0x3e, 0x80), functional: true }]);
    }
    expect(said).toEqual(["sent"]);
  });

  it("does not disturb a physical transfer that runs", () => {
    const pair = new IsoTpPair();
    const channel = pair.tester.openFunctional(functional, pair.testerHears);
    pair.testerChannel.send(random(1000));
    pair.run(ms(10));
    channel.send(Uint8Array.of(0x3e, 0x80));
    pair.end();
    expect(pair.ecuHears.short).toEqual(["message", "message"]);
    expect(pair.ecuHears.messages[1]).toEqual(random(1000));
  });

  it("is for single frames only, on both sides", () => {
    const pair = new IsoTpPair();
    const channel = pair.tester.openFunctional(functional, pair.testerHears);
    expect(() => channel.send(new Uint8Array(8))).toThrow(UsageError);
    pair.testerPort.transmit(canFrame(0x7df, 0x10, 0x14, 1, 2, 3, 4, 5, 6));
    pair.end();
    expect(pair.ecuHears.heard).toEqual([]);
    expect(pair.events("can.frame")).toHaveLength(1);
  });

  it("takes longer single frames on CAN FD", () => {
    const pair = new IsoTpPair({ dataBitRate: 2_000_000 });
    const shape = { txDl: 64, fd: true, bitRateSwitch: true } as const;
    pair.tester.openFunctional({ ...functional, ...shape }, pair.testerHears).send(random(40));
    pair.end();
    expect(pair.ecuHears.messages).toEqual([random(40)]);
  });
});

describe("IsoTpNode failures", () => {
  it("reports N_TIMEOUT_A at N_As when nobody acknowledges, and can send again afterwards", () => {
    const pair = new IsoTpPair({ tester: { nAs: ms(100) } });
    pair.ecuPort.setActive(false);
    pair.testerChannel.send(random(5));
    pair.run(ms(101));
    expect(pair.testerHears.heard).toEqual([
      { type: "failed", at: ms(100), direction: "sending", result: "N_TIMEOUT_A" },
    ]);
    expect(pair.events("isotp.failed")).toMatchObject([
      { source: "tester", direction: "sending", result: "N_TIMEOUT_A", txId: 0x7e0, rxId: 0x7e8 },
    ]);
    pair.ecuPort.setActive(true);
    pair.testerChannel.send(random(6));
    pair.end();
    expect(pair.ecuHears.messages).toEqual([random(6)]);
  });

  it("reports N_TIMEOUT_Bs and N_TIMEOUT_Cr when the peer falls silent", () => {
    const pair = new IsoTpPair({ tester: { nBs: ms(200) }, ecu: { nCr: ms(300) } });
    pair.testerChannel.send(random(1000));
    pair.run(ms(20));
    pair.tester.reset();
    pair.run(ms(400));
    expect(pair.ecuHears.short).toEqual(["receiving N_TIMEOUT_Cr"]);
    expect(pair.testerHears.short).toEqual([]);
    pair.ecuPort.attach({ received: () => undefined, transmitted: () => undefined, aborted: () => undefined });
    pair.testerChannel.send(random(1000));
    pair.run(ms(400));
    expect(pair.testerHears.short).toEqual(["sending N_TIMEOUT_Bs"]);
  });

  it("reports a lost consecutive frame as N_WRONG_SN, and the sender ends without flow control", () => {
    const pair = new IsoTpPair({
      ecu: { blockSize: 8 },
      decorate: (link, { timeline, trace }) => {
        const rules = [{ fault: "drop", direction: "receive", nPdu: "CF", occurrence: 5 }] as const;
        return new FaultyCanLink(link, { name: "can1", node: "ecu", rules }, timeline, trace, SEED);
      },
    });
    pair.testerChannel.send(random(500));
    pair.end();
    expect(pair.ecuHears.short).toEqual(["receiving N_WRONG_SN"]);
    expect(pair.testerHears.short).toEqual(["sending N_TIMEOUT_Bs"]);
    expect(pair.events("isotp.failed").map(({ source, result }) => [source, result])).toEqual([
      ["ecu", "N_WRONG_SN"],
      ["tester", "N_TIMEOUT_Bs"],
    ]);
    pair.testerChannel.send(random(501));
    pair.end();
    expect(pair.ecuHears.messages).toEqual([random(501)]);
  });

  it("reports N_BUFFER_OVFLW for a message that the peer has no room for", () => {
    const pair = new IsoTpPair({ ecu: { messageSizeMax: 99 } });
    pair.testerChannel.send(random(100));
    pair.end();
    expect(pair.testerHears.short).toEqual(["sending N_BUFFER_OVFLW"]);
    expect(pair.ecuHears.short).toEqual([]);
  });

  it("takes back only the frame of the channel that gives up", () => {
    const pair = new IsoTpPair({ tester: { nAs: ms(10) } });
    const other = new Listener(pair.world);
    const slow = pair.tester.open(classicIsoTp({ txId: 0x601, rxId: 0x609, extended: false }, { nAs: ms(100) }), other);
    pair.ecuPort.setActive(false);
    pair.testerChannel.send(random(3));
    slow.send(random(4));
    pair.run(ms(50));
    expect(pair.testerHears.short).toEqual(["sending N_TIMEOUT_A"]);
    pair.ecuPort.setActive(true);
    pair.end();
    expect(other.short).toEqual(["sent"]);
  });

  it("drops everything without a word on reset, on both ends of the bus nothing hangs", () => {
    const pair = new IsoTpPair();
    pair.testerChannel.send(random(1000));
    pair.run(ms(10));
    pair.ecuPort.setActive(false);
    pair.ecu.reset();
    pair.run(ms(3000));
    expect(pair.ecuHears.short).toEqual([]);
    expect(pair.testerHears.short).toEqual(["sending N_TIMEOUT_A"]);
    pair.ecuPort.setActive(true);
    pair.testerChannel.send(random(1001));
    pair.ecuChannel.send(random(1002));
    pair.end();
    expect(pair.ecuHears.messages).toEqual([random(1001)]);
    expect(pair.testerHears.messages).toEqual([random(1002)]);
  });
});

describe("IsoTpNode under random frames", () => {
  it("goes on serving after 20 000 of them, in the midst of transfers of its own", () => {
    const pair = new IsoTpPair({
      tester: { nAs: ms(5), nBs: ms(5) },
      ecu: { nBs: ms(1), nCr: ms(5), blockSize: 2, waitFramesMax: 0 },
    });
    const prng = new Prng(SEED);
    for (let round = 0; round < 20_000; round++) {
      const data = prng.bytes(prng.below(9));
      if (data.length > 0) data[0] = (prng.below(5) << 4) | prng.below(16);
      pair.testerPort.transmit({ id: prng.below(8) === 0 ? 0x7df : 0x7e0, flags: 0, data });
      if (!pair.ecuChannel.sending && prng.below(50) === 0) pair.ecuChannel.send(random(12));
      pair.run(us(100 + prng.below(300)));
      if (round % 100 === 0) pair.run(ms(20));
    }
    pair.run(ms(1000));
    expect(new Set(pair.ecuHears.short)).toEqual(
      new Set([
        "message",
        "sent",
        "receiving N_UNEXP_PDU",
        "receiving N_WRONG_SN",
        "receiving N_TIMEOUT_Cr",
        "sending N_WFT_OVRN",
        "sending N_BUFFER_OVFLW",
        "sending N_INVALID_FS",
      ]),
    );
    const before = pair.ecuHears.messages.length;
    pair.testerChannel.send(random(777));
    pair.end();
    expect(pair.ecuHears.messages.slice(before)).toEqual([random(777)]);
  });
});

describe("IsoTpNode state", () => {
  it("can be forked at any millisecond of a transfer, and both halves end alike", () => {
    const make = () => new IsoTpPair({ tester: { blockSize: 3 }, ecu: { blockSize: 5, stMin: us(100), nBr: us(50) } });
    const one = make();
    one.testerChannel.send(random(400));
    one.ecuChannel.send(random(390));
    const snapshots = [];
    for (let time = 0; time < 20; time++) {
      one.run(ms(1));
      snapshots.push(one.world.snapshot());
    }
    one.end();
    expect(one.ecuHears.messages).toEqual([random(400)]);
    for (const snapshot of snapshots) {
      const other = make();
      other.world.restore(snapshot);
      other.end();
      expect(other.world.trace.bytes()).toEqual(one.world.trace.bytes());
      expect(other.ecuHears.messages).toEqual([random(400)]);
      expect(other.testerHears.messages).toEqual([random(390)]);
    }
  });

  it("takes CAN FD defaults from one place", () => {
    const config = fdIsoTp({ txId: 1, rxId: 2, extended: false }, { blockSize: 8 });
    expect(config).toMatchObject({ txDl: 64, fd: true, bitRateSwitch: true, blockSize: 8 });
  });
});
