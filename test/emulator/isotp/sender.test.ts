import { describe, expect, it } from "vitest";
import { UsageError } from "../../../emulator/kernel/errors.ts";
import { type Duration, ms, ns, us } from "../../../emulator/kernel/time.ts";
import { counting, SenderDriver } from "./machine-driver.ts";

const ONE = ns(1);
const justUnder = (span: Duration): Duration => (span - 1) as Duration;

describe("IsoTpSender", () => {
  it("sends a single frame and reports it when it is confirmed", () => {
    const sender = new SenderDriver();
    expect(sender.send(counting(3))).toEqual(["03000102"]);
    expect(sender.machine.sending).toBe(true);
    expect(sender.confirm()).toEqual(["sent"]);
    expect(sender.machine.sending).toBe(false);
  });

  it("sends the next consecutive frame at its predecessor's confirmation when STmin is 0", () => {
    const sender = new SenderDriver();
    expect(sender.send(counting(20))).toEqual(["1014000102030405"]);
    expect(sender.confirm()).toEqual([]);
    expect(sender.receive("300000")).toEqual(["21060708090a0b0c"]);
    expect(sender.confirm()).toEqual(["220d0e0f10111213"]);
    expect(sender.confirm()).toEqual(["sent"]);
    expect(sender.machine.nextDeadline()).toBeUndefined();
  });

  it("waits for flow control after every block", () => {
    const sender = new SenderDriver();
    sender.send(counting(6 + 7 * 5));
    sender.confirm();
    expect(sender.receive("300200")).toHaveLength(1);
    expect(sender.confirm()).toHaveLength(1);
    expect(sender.confirm()).toEqual([]);
    expect(sender.receive("300100")).toHaveLength(1); // BS may change
    expect(sender.confirm()).toEqual([]);
    expect(sender.receive("300000")).toHaveLength(1);
    expect(sender.confirm()).toHaveLength(1);
    expect(sender.confirm()).toEqual(["sent"]);
  });

  it("counts SN from 1 over 15 to 0", () => {
    const sender = new SenderDriver();
    sender.send(counting(6 + 7 * 18));
    sender.confirm();
    const sns = [...sender.receive("300000")];
    for (let index = 1; index < 18; index++) sns.push(...sender.confirm());
    expect(sns.map((frame) => frame.slice(0, 2)).join(" ")).toBe(
      "21 22 23 24 25 26 27 28 29 2a 2b 2c 2d 2e 2f 20 21 22",
    );
  });

  it.each([
    ["300001", ms(1)],
    ["30007f", ms(127)],
    ["3000f1", us(100)],
    ["3000f9", us(900)],
    ["300080", ms(127)],
    ["3000fa", ms(127)],
  ])("keeps STmin of %s from confirmation to request, to the nanosecond", (flowControl, stMin) => {
    const sender = new SenderDriver();
    sender.send(counting(20));
    sender.confirm();
    expect(sender.receive(flowControl)).toHaveLength(1); // none before the first of a block
    sender.wait(us(77));
    expect(sender.confirm()).toEqual([]);
    expect(sender.wait(justUnder(stMin))).toEqual([]);
    expect(sender.wait(ONE)).toEqual(["220d0e0f10111213"]);
  });

  it("takes N_Cs before a consecutive frame where it is longer than STmin", () => {
    const sender = new SenderDriver({ nCs: ms(3) });
    sender.send(counting(20));
    sender.confirm();
    expect(sender.receive("300001")).toEqual([]);
    expect(sender.wait(justUnder(ms(3)))).toEqual([]);
    expect(sender.wait(ONE)).toEqual(["21060708090a0b0c"]);
    sender.confirm();
    expect(sender.wait(justUnder(ms(3)))).toEqual([]);
    expect(sender.wait(ONE)).toHaveLength(1);
  });

  it.each([3, 20])("gives up at N_As, not before, while %i bytes wait for their first confirmation", (length) => {
    const sender = new SenderDriver({ nAs: ms(70) });
    sender.send(counting(length));
    expect(sender.wait(justUnder(ms(70)))).toEqual([]);
    expect(sender.wait(ONE)).toEqual(["withdraw", "N_TIMEOUT_A"]);
    expect(sender.machine.sending).toBe(false);
  });

  it("applies N_As to consecutive frames too, each anew", () => {
    const sender = new SenderDriver({ nAs: ms(70) });
    sender.send(counting(20));
    sender.wait(ms(69));
    sender.confirm();
    sender.receive("300000");
    expect(sender.wait(ms(69))).toEqual([]);
    sender.confirm();
    expect(sender.wait(justUnder(ms(70)))).toEqual([]);
    expect(sender.wait(ONE)).toEqual(["withdraw", "N_TIMEOUT_A"]);
  });

  it("gives up at N_Bs after the confirmation of the first frame, not before", () => {
    const sender = new SenderDriver({ nBs: ms(150) });
    sender.send(counting(20));
    sender.wait(ms(500));
    sender.confirm();
    expect(sender.wait(justUnder(ms(150)))).toEqual([]);
    expect(sender.wait(ONE)).toEqual(["N_TIMEOUT_Bs"]);
  });

  it("gives up at N_Bs after the last frame of a block", () => {
    const sender = new SenderDriver({ nBs: ms(150) });
    sender.send(counting(60));
    sender.confirm();
    sender.receive("300100");
    sender.confirm();
    expect(sender.wait(justUnder(ms(150)))).toEqual([]);
    expect(sender.wait(ONE)).toEqual(["N_TIMEOUT_Bs"]);
  });

  it("starts N_Bs anew with every wait frame, and bears waitFramesMax of them in a row", () => {
    const sender = new SenderDriver({ nBs: ms(150), waitFramesMax: 2 });
    sender.send(counting(60));
    sender.confirm();
    for (let wait = 0; wait < 2; wait++) {
      expect(sender.wait(ms(149))).toEqual([]);
      expect(sender.receive("310000")).toEqual([]);
    }
    expect(sender.receive("300100")).toHaveLength(1); // the count begins anew
    sender.confirm();
    expect(sender.receive("310000")).toEqual([]);
    expect(sender.receive("310000")).toEqual([]);
    expect(sender.receive("310000")).toEqual(["N_WFT_OVRN"]);
  });

  it("bears no wait frame at all with waitFramesMax 0", () => {
    const sender = new SenderDriver({ waitFramesMax: 0 });
    sender.send(counting(20));
    sender.confirm();
    expect(sender.receive("310000")).toEqual(["N_WFT_OVRN"]);
  });

  it.each([
    ["320000", "N_BUFFER_OVFLW"],
    ["330000", "N_INVALID_FS"],
    ["3f0000", "N_INVALID_FS"],
  ])("ends with the result for flow status %s", (flowControl, result) => {
    const sender = new SenderDriver();
    sender.send(counting(20));
    sender.confirm();
    expect(sender.receive(flowControl)).toEqual([result]);
    expect(sender.wait(ms(5000))).toEqual([]);
  });

  it("ignores flow control that comes before the frame that asks for it is out", () => {
    const sender = new SenderDriver();
    sender.send(counting(30));
    expect(sender.receive("320000")).toEqual([]);
    expect(sender.confirm()).toEqual([]);
    expect(sender.receive("300100")).toEqual(["21060708090a0b0c"]);
    expect(sender.receive("300100")).toEqual([]); // twice the same: the block is one frame long all the same
    expect(sender.confirm()).toEqual([]);
  });

  it("ignores flow control in the middle of a block and when nothing is sent", () => {
    const sender = new SenderDriver();
    expect(sender.receive("320000")).toEqual([]);
    sender.send(counting(20));
    sender.confirm();
    sender.receive("300005");
    expect(sender.receive("320000")).toEqual([]); // frame on its way
    sender.confirm();
    expect(sender.receive("320000")).toEqual([]); // STmin runs
    expect(sender.wait(ms(5))).toHaveLength(1);
    expect(sender.confirm()).toEqual(["sent"]);
  });

  it("ends with N_ERROR when the link gives up its frame", () => {
    const sender = new SenderDriver();
    sender.send(counting(20));
    sender.machine.handle({ type: "aborted" }, sender.now);
    expect(sender.said()).toEqual(["N_ERROR"]);
  });

  it("ignores confirmations that it does not wait for, and early deadlines", () => {
    const sender = new SenderDriver();
    expect(sender.confirm()).toEqual([]);
    sender.send(counting(20));
    sender.machine.handleDeadline(sender.now);
    sender.confirm();
    expect(sender.confirm()).toEqual([]);
    sender.machine.handleDeadline(sender.now);
    expect(sender.said()).toEqual([]);
  });

  it("refuses an empty message and a second one at a time", () => {
    const sender = new SenderDriver();
    expect(() => sender.send(new Uint8Array(0))).toThrow(UsageError);
    sender.send(counting(1));
    expect(() => sender.send(counting(1))).toThrow(UsageError);
  });

  it("keeps its own copy of a segmented message", () => {
    const sender = new SenderDriver();
    const message = counting(10);
    sender.send(message);
    message.fill(0xff);
    sender.confirm();
    expect(sender.receive("300000")).toEqual(["2106070809"]);
  });

  it("tells nobody when it is reset", () => {
    const sender = new SenderDriver();
    sender.send(counting(20));
    sender.machine.handle({ type: "reset" }, sender.now);
    expect([sender.said(), sender.wait(ms(5000)), sender.machine.sending]).toEqual([[], [], false]);
  });

  it("can be saved and put back at every step, any number of times", () => {
    const one = new SenderDriver();
    one.send(counting(40));
    one.confirm();
    one.receive("300201");
    const saved = one.machine.save();
    const rest = (driver: SenderDriver): string[] => [
      ...driver.confirm(),
      ...driver.wait(ms(1)),
      ...driver.confirm(),
      ...driver.receive("300000"),
      ...driver.confirm(),
      ...driver.confirm(),
      ...driver.confirm(),
    ];
    const expected = rest(one);
    expect(expected.at(-1)).toBe("sent");
    for (let round = 0; round < 2; round++) {
      const other = new SenderDriver();
      other.machine.load(saved);
      expect(rest(other)).toEqual(expected);
    }
  });
});
