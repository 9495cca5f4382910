import { describe, expect, it } from "vitest";
import { frameAddress, isoTpAddress, type NAi } from "../../../emulator/isotp/addressing.ts";
import type { IsoTpConfig } from "../../../emulator/isotp/config.ts";
import { classicIsoTp, fdIsoTp } from "../../../emulator/isotp/defaults.ts";
import { UsageError } from "../../../emulator/kernel/errors.ts";
import { Prng } from "../../../emulator/kernel/prng.ts";
import { ms } from "../../../emulator/kernel/time.ts";
import { CanFlag } from "../../../emulator/wire/can-frame.ts";
import { toHex } from "../../../emulator/wire/text.ts";
import { IsoTpPair, Listener, type PairOptions } from "./isotp-pair.ts";

const random = (length: number): Uint8Array => new Prng(`addressing ${length}`).bytes(length);
const TX_DLS = [8, 12, 16, 20, 24, 32, 48, 64] as const;

interface Format {
  readonly request: NAi;
  readonly response: NAi;
  readonly functional: NAi;
}

/** An ECU at N_SA 15, a tester at F1, a functional group 33. */
const FORMATS: Readonly<Record<string, Format>> = {
  normal: {
    request: { format: "normal", id: 0x7e0, extended: false },
    response: { format: "normal", id: 0x7e8, extended: false },
    functional: { format: "normal", id: 0x7df, extended: false },
  },
  "normal fixed": {
    request: { format: "normalFixed", target: 0x15, source: 0xf1 },
    response: { format: "normalFixed", target: 0xf1, source: 0x15 },
    functional: { format: "normalFixed", target: 0x33, source: 0xf1 },
  },
  extended: {
    request: { format: "extended", id: 0x6f1, extended: false, target: 0x15 },
    response: { format: "extended", id: 0x615, extended: false, target: 0xf1 },
    functional: { format: "extended", id: 0x6f1, extended: false, target: 0x33 },
  },
  "mixed 11-bit": {
    request: { format: "mixed", id: 0x7e0, addressExtension: 0x05 },
    response: { format: "mixed", id: 0x7e8, addressExtension: 0x05 },
    functional: { format: "mixed", id: 0x7df, addressExtension: 0x05 },
  },
  "mixed 29-bit": {
    request: { format: "mixed29", target: 0x15, source: 0xf1, addressExtension: 0x05 },
    response: { format: "mixed29", target: 0xf1, source: 0x15, addressExtension: 0x05 },
    functional: { format: "mixed29", target: 0x33, source: 0xf1, addressExtension: 0x05 },
  },
};
const NAMES = Object.keys(FORMATS);
const format = (name: string): Format => FORMATS[name] as Format;

function pairOf({ request, response, functional }: Format, options: PairOptions = {}): IsoTpPair {
  const tester = { ...options.tester, address: isoTpAddress(request, response) };
  const ecu = { ...options.ecu, address: isoTpAddress(response, request, functional) };
  return new IsoTpPair({ ...options, tester, ecu });
}

const onBus = (pair: IsoTpPair): string[] =>
  pair.events("can.frame").map(({ id, flags, data }) => {
    return `${id.toString(16)}${(flags & CanFlag.Extended) === 0 ? "" : "x"} ${toHex(data)}`;
  });

describe("address formats", () => {
  it.each([
    ["normal", ["7e0 03000102cccccccc"], ["7e0 1009000102030405", "7e8 300000cccccccccc", "7e0 21060708cccccccc"]],
    [
      "normal fixed",
      ["18da15f1x 03000102cccccccc"],
      ["18da15f1x 1009000102030405", "18daf115x 300000cccccccccc", "18da15f1x 21060708cccccccc"],
    ],
    ["extended", ["6f1 1503000102cccccc"], ["6f1 1510090001020304", "615 f1300000cccccccc", "6f1 152105060708cccc"]],
    [
      "mixed 11-bit",
      ["7e0 0503000102cccccc"],
      ["7e0 0510090001020304", "7e8 05300000cccccccc", "7e0 052105060708cccc"],
    ],
    [
      "mixed 29-bit",
      ["18ce15f1x 0503000102cccccc"],
      ["18ce15f1x 0510090001020304", "18cef115x 05300000cccccccc", "18ce15f1x 052105060708cccc"],
    ],
  ])("%s puts the address where its table says", (name, single, segmented) => {
    const pair = pairOf(format(name));
    pair.testerChannel.send(Uint8Array.of(0, 1, 2));
    pair.end();
    pair.testerChannel.send(Uint8Array.of(0, 1, 2, 3, 4, 5, 6, 7, 8));
    pair.end();
    expect(onBus(pair)).toEqual([...single, ...segmented]);
    expect(pair.ecuHears.messages.map((message) => message.length)).toEqual([3, 9]);
  });

  it.each(NAMES)("%s carries messages around every limit on classic CAN, in both directions at once", (name) => {
    for (const length of [1, 5, 6, 7, 8, 11, 12, 13, 4095, 4096, 5000]) {
      const pair = pairOf(format(name), { tester: { messageSizeMax: 8000 }, ecu: { messageSizeMax: 8000 } });
      pair.testerChannel.send(random(length));
      pair.ecuChannel.send(random(length + 1));
      pair.end();
      expect(pair.ecuHears.messages).toEqual([random(length)]);
      expect(pair.testerHears.messages).toEqual([random(length + 1)]);
    }
  });

  it.each(NAMES.flatMap((name) => TX_DLS.map((txDl) => [name, txDl] as const)))(
    "%s carries every length up to 150 with TX_DL %i",
    (name, txDl) => {
      const pair = pairOf(format(name), { dataBitRate: 2_000_000, tester: { txDl }, ecu: { txDl, blockSize: 3 } });
      for (let length = 1; length <= 150; length++) {
        pair.testerChannel.send(random(length));
        pair.end();
      }
      expect(pair.ecuHears.messages).toEqual(Array.from({ length: 150 }, (_, index) => random(index + 1)));
      expect(Math.max(...pair.events("can.frame").map(({ data }) => data.length))).toBe(txDl);
    },
  );

  it("takes the direction of requests in one format and that of responses in another", () => {
    const mix: Format = {
      request: format("extended").request,
      response: format("normal fixed").response,
      functional: format("extended").functional,
    };
    const pair = pairOf(mix);
    pair.testerChannel.send(random(20));
    pair.ecuChannel.send(random(21));
    pair.end();
    expect(pair.ecuHears.messages).toEqual([random(20)]);
    expect(pair.testerHears.messages).toEqual([random(21)]);
    expect(new Set(onBus(pair).map((frame) => frame.split(" ")[0]))).toEqual(new Set(["6f1", "18daf115x"]));
  });

  it("ignores frames whose first byte names somebody else, empty ones among them", () => {
    const pair = pairOf(format("extended"));
    for (const data of [[0x16, 0x02, 1, 2], [0x02, 1, 2], [], [0x15]]) {
      pair.testerPort.transmit({ id: 0x6f1, flags: 0, data: Uint8Array.from(data) });
    }
    pair.end();
    expect(pair.ecuHears.heard).toEqual([]);
  });

  it("tells ECUs apart by N_TA alone where a tester asks them all with one identifier", () => {
    const pair = pairOf(format("extended"));
    const tester: NAi = { format: "extended", id: 0x6f1, extended: false, target: 0x16 };
    const ecu: NAi = { format: "extended", id: 0x616, extended: false, target: 0xf1 };
    const [near, far] = [new Listener(pair.world), new Listener(pair.world)];
    const channel = pair.tester.open(classicIsoTp(isoTpAddress(tester, ecu)), near);
    pair.ecu.open(classicIsoTp(isoTpAddress(ecu, tester)), far);
    channel.send(random(30));
    pair.testerChannel.send(random(31));
    pair.end();
    expect(far.messages).toEqual([random(30)]);
    expect(pair.ecuHears.messages).toEqual([random(31)]);
  });

  it.each([
    ["the same first byte", { rxAddressByte: 0x15 }],
    ["no first byte", {}],
  ])("refuses two channels that receive one identifier with %s", (_, bytes) => {
    const pair = pairOf(format("extended"));
    const config = classicIsoTp({ txId: 0x700, rxId: 0x6f1, extended: false, ...bytes });
    expect(() => pair.ecu.open(config, pair.ecuHears)).toThrow(UsageError);
  });

  it("refuses physical and functional requests with identifiers of different length", () => {
    const { request, response } = format("normal");
    expect(() => isoTpAddress(response, request, format("normal fixed").functional)).toThrow(UsageError);
  });
});

describe("functional addressing", () => {
  const open = (pair: IsoTpPair, name: string, config: IsoTpConfig) => {
    const { id, ...rest } = frameAddress(format(name).functional, true);
    const { txDl, fd, bitRateSwitch } = config;
    return pair.tester.openFunctional({ ...rest, txId: id, txDl, fd, bitRateSwitch, nAs: ms(1000) }, pair.testerHears);
  };
  const anywhere = { txId: 0, rxId: 0, extended: false };

  it.each([
    ["normal", 7, "7df"],
    ["normal fixed", 7, "18db33f1x"],
    ["extended", 6, "6f1"],
    ["mixed 11-bit", 6, "7df"],
    ["mixed 29-bit", 6, "18cd33f1x"],
  ])("%s takes single frames of up to %i bytes", (name, longest, id) => {
    const pair = pairOf(format(name));
    const channel = open(pair, name, classicIsoTp(anywhere));
    expect(() => channel.send(new Uint8Array(longest + 1))).toThrow(UsageError);
    channel.send(random(longest));
    pair.end();
    expect(pair.ecuHears.heard).toMatchObject([{ type: "message", data: random(longest), functional: true }]);
    expect(onBus(pair)[0]?.split(" ")[0]).toBe(id);
  });

  it.each([
    ["normal", 62],
    ["extended", 61],
    ["mixed 29-bit", 61],
  ])("%s takes up to %i bytes on CAN FD", (name, longest) => {
    const pair = pairOf(format(name), { dataBitRate: 2_000_000 });
    const channel = open(pair, name, fdIsoTp(anywhere));
    expect(() => channel.send(new Uint8Array(longest + 1))).toThrow(UsageError);
    channel.send(random(longest));
    pair.end();
    expect(pair.ecuHears.messages).toEqual([random(longest)]);
  });

  it.each(NAMES)("%s ignores first, consecutive and flow control frames to the group", (name) => {
    const pair = pairOf(format(name));
    const { id, extended, addressByte } = frameAddress(format(name).functional, true);
    const flags = extended ? CanFlag.Extended : 0;
    for (const pdu of [
      [0x10, 0x14, 1, 2, 3, 4, 5, 6],
      [0x21, 1, 2, 3, 4, 5, 6, 7],
      [0x30, 0, 0],
      [0x52, 1],
    ]) {
      const data = addressByte === undefined ? pdu : [addressByte, ...pdu].slice(0, 8);
      pair.testerPort.transmit({ id, flags, data: Uint8Array.from(data) });
    }
    pair.end();
    expect(pair.ecuHears.heard).toEqual([]);
    expect(onBus(pair)).toHaveLength(4);
  });
});
