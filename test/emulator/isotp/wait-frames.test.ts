import { describe, expect, it } from "vitest";
import { type Duration, ms, ns } from "../../../emulator/kernel/time.ts";
import { toHex } from "../../../emulator/wire/text.ts";
import { IsoTpPair } from "./isotp-pair.ts";
import { counting, ReceiverDriver } from "./machine-driver.ts";

const ONE = ns(1);
const justUnder = (span: Duration): Duration => (span - 1) as Duration;
const FF20 = "1014000102030405";
const CF1 = "21060708090a0b0c";
const CF2 = "220d0e0f10111213";
const MESSAGE20 = `message ${toHex(counting(20))}`;

describe("FC.WAIT of a receiver", () => {
  const waiting = { waitFrames: { count: 2, interval: ms(30) }, blockSize: 1 };

  it("comes as often as asked, N_Br and then the interval apart, before each FC.CTS", () => {
    const receiver = new ReceiverDriver({ ...waiting, nBr: ms(4) });
    expect(receiver.receive(FF20)).toEqual([]);
    expect(receiver.wait(ms(4))).toEqual(["310100"]);
    receiver.wait(ms(1));
    receiver.confirm();
    expect(receiver.wait(justUnder(ms(30)))).toEqual([]);
    expect(receiver.wait(ONE)).toEqual(["310100"]);
    receiver.confirm();
    expect(receiver.wait(ms(30))).toEqual(["300100"]);
    receiver.confirm();
    expect(receiver.receive(CF1)).toEqual([]);
    expect(receiver.wait(ms(4))).toEqual(["310100"]);
    receiver.confirm();
    expect(receiver.wait(ms(30))).toEqual(["310100"]);
    receiver.confirm();
    expect(receiver.wait(ms(30))).toEqual(["300100"]);
    receiver.confirm();
    expect(receiver.receive(CF2)).toEqual([MESSAGE20]);
  });

  it("ends the reception with N_WFT_OVRN when more than N_WFTmax would be needed", () => {
    const receiver = new ReceiverDriver({ ...waiting, waitFramesMax: 1 });
    expect(receiver.receive(FF20)).toEqual(["310100"]);
    receiver.confirm();
    expect(receiver.wait(ms(30))).toEqual(["N_WFT_OVRN"]);
    expect([receiver.receive(CF1), receiver.wait(ms(5000))]).toEqual([[], []]);
  });

  it("is never sent with N_WFTmax 0", () => {
    expect(new ReceiverDriver({ ...waiting, waitFramesMax: 0 }).receive(FF20)).toEqual(["300100"]);
  });

  it("goes on for ever when neither count nor N_WFTmax ends it, until the next message begins", () => {
    const count = Number.POSITIVE_INFINITY;
    const receiver = new ReceiverDriver({ waitFrames: { count, interval: ms(30) }, waitFramesMax: count });
    receiver.receive(FF20);
    for (let wait = 0; wait < 1000; wait++) {
      receiver.confirm();
      expect(receiver.wait(ms(30))).toEqual(["310000"]);
    }
    receiver.confirm();
    expect(receiver.receive("0107")).toEqual(["N_UNEXP_PDU", "message 07"]);
    expect(receiver.wait(ms(1000))).toEqual([]);
  });

  it("is given up at N_Ar when it is not confirmed", () => {
    const receiver = new ReceiverDriver({ ...waiting, nAr: ms(70) });
    receiver.receive(FF20);
    expect(receiver.wait(justUnder(ms(70)))).toEqual([]);
    expect(receiver.wait(ONE)).toEqual(["withdraw", "N_TIMEOUT_A"]);
  });

  it("makes consecutive frames that come meanwhile be ignored", () => {
    const receiver = new ReceiverDriver(waiting);
    receiver.receive(FF20);
    receiver.confirm();
    expect(receiver.receive(CF1)).toEqual([]);
    receiver.wait(ms(30));
    receiver.confirm();
    receiver.wait(ms(30));
    receiver.confirm();
    expect(receiver.receive(CF1)).toEqual(["310100"]);
  });

  it("can be saved and put back between two of them", () => {
    const one = new ReceiverDriver(waiting);
    one.receive(FF20);
    one.confirm();
    const other = new ReceiverDriver(waiting);
    other.machine.load(one.machine.save());
    for (const driver of [one, other]) {
      expect(driver.wait(ms(30))).toEqual(["310100"]);
      driver.confirm();
      expect(driver.wait(ms(30))).toEqual(["300100"]);
    }
  });

  it("is borne by a sender up to its own N_WFTmax: the message arrives, later", () => {
    const waitFrames = { count: 10, interval: ms(500) };
    const pair = new IsoTpPair({ ecu: { waitFrames, waitFramesMax: 10 }, tester: { waitFramesMax: 10, nBs: ms(501) } });
    pair.testerChannel.send(counting(20));
    pair.end();
    expect(pair.ecuHears.messages).toEqual([counting(20)]);
    expect(pair.ecuHears.heard.at(-1)?.at).toBeGreaterThan(ms(5000));
    const impatient = new IsoTpPair({ ecu: { waitFrames, waitFramesMax: 10 }, tester: { waitFramesMax: 9 } });
    impatient.testerChannel.send(counting(20));
    impatient.end();
    expect(impatient.testerHears.short).toEqual(["sending N_WFT_OVRN"]);
  });
});
