import { describe, expect, it } from "vitest";
import type { ReceptionFault } from "../../../emulator/isotp/misbehaviour.ts";
import { type Duration, ms, ns, us } from "../../../emulator/kernel/time.ts";
import { toHex } from "../../../emulator/wire/text.ts";
import { counting, ReceiverDriver, SenderDriver } from "./machine-driver.ts";

const ONE = ns(1);
const justUnder = (span: Duration): Duration => (span - 1) as Duration;
const FF20 = "1014000102030405";
const CF1 = "21060708090a0b0c";
const CF2 = "220d0e0f10111213";
const MESSAGE20 = `message ${toHex(counting(20))}`;
const CTS = "300100";

/** A receiver with BS 1 that has answered the first frame rightly and got the first consecutive frame. */
function inSecondBlock(fault: ReceptionFault): { receiver: ReceiverDriver; said: string[] } {
  const receiver = new ReceiverDriver({ blockSize: 1 }, fault);
  expect(receiver.receive(FF20)).toEqual([CTS]);
  receiver.confirm();
  return { receiver, said: receiver.receive(CF1) };
}

describe("a receiver that misbehaves", () => {
  it("lateFlowControl: answers after the delay, and goes on", () => {
    const receiver = new ReceiverDriver({ blockSize: 1 }, { name: "lateFlowControl", delay: ms(900) });
    expect(receiver.receive(FF20)).toEqual([]);
    expect(receiver.wait(justUnder(ms(900)))).toEqual([]);
    expect(receiver.wait(ONE)).toEqual([CTS]);
    receiver.confirm();
    expect(receiver.receive(CF1)).toEqual([CTS]);
    receiver.confirm();
    expect(receiver.receive(CF2)).toEqual([MESSAGE20]);
  });

  it("lateFlowControl: in the block that it is asked for only", () => {
    const { receiver, said } = inSecondBlock({ name: "lateFlowControl", delay: ms(900), block: 2 });
    expect(said).toEqual([]);
    expect(receiver.wait(ms(900))).toEqual([CTS]);
  });

  it("missingFlowControl: says nothing and runs into N_Cr", () => {
    const receiver = new ReceiverDriver({ nCr: ms(1000) }, { name: "missingFlowControl" });
    expect(receiver.receive(FF20)).toEqual([]);
    expect(receiver.wait(justUnder(ms(1000)))).toEqual([]);
    expect(receiver.wait(ONE)).toEqual(["N_TIMEOUT_Cr"]);
  });

  it("missingFlowControl: in the middle of a message", () => {
    const { receiver, said } = inSecondBlock({ name: "missingFlowControl", block: 2 });
    expect([said, receiver.wait(ms(1000))]).toEqual([[], ["N_TIMEOUT_Cr"]]);
  });

  it("changingFlowControl: asks for other parameters in each frame and keeps to them itself", () => {
    const parameters = [
      { blockSize: 1, stMin: ms(5) },
      { blockSize: 2, stMin: us(300) },
    ];
    const receiver = new ReceiverDriver({}, { name: "changingFlowControl", parameters });
    const message = counting(48); // 6 and 6 times 7
    const frames = Array.from({ length: 6 }, (_, index) => {
      return `2${index + 1}${toHex(message.subarray(6 + 7 * index, 13 + 7 * index))}`;
    });
    const said = [...receiver.receive(`1030${toHex(message.subarray(0, 6))}`)];
    receiver.confirm();
    for (const frame of frames) {
      const answer = receiver.receive(frame);
      if (answer.length > 0) receiver.confirm();
      said.push(answer[0]?.slice(0, 6) ?? "-");
    }
    expect(said).toEqual(["300105", "3002f3", "-", "300105", "3002f3", "-", "messag"]);
  });

  it("overflowAtBlock: refuses in the middle of a message and forgets it", () => {
    const { receiver, said } = inSecondBlock({ name: "overflowAtBlock", block: 2 });
    expect(said).toEqual(["320100"]);
    expect(receiver.confirm()).toEqual(["N_ERROR"]);
    expect([receiver.receive(CF2), receiver.wait(ms(5000))]).toEqual([[], []]);
  });

  it("waitForever: whatever N_WFTmax says, until the next message begins", () => {
    const { receiver, said } = inSecondBlock({ name: "waitForever", interval: ms(50), block: 2 });
    expect(said).toEqual(["310100"]);
    for (let wait = 0; wait < 300; wait++) {
      receiver.confirm();
      expect(receiver.wait(ms(50))).toEqual(["310100"]);
    }
    receiver.confirm();
    expect(receiver.receive("0107")).toEqual(["N_UNEXP_PDU", "message 07"]);
  });

  it("goes on with its fault after it was saved and put back", () => {
    const fault = { name: "overflowAtBlock", block: 2 } as const;
    const one = new ReceiverDriver({ blockSize: 1 }, fault);
    one.receive(FF20);
    one.confirm();
    const other = new ReceiverDriver({ blockSize: 1 });
    other.machine.load(one.machine.save());
    expect(other.receive(CF1)).toEqual(["320100"]);
  });
});

describe("a sender that misbehaves", () => {
  it.each([
    [1, ["22", "22", "23", "24"]],
    [3, ["21", "22", "24", "24"]],
    [9, ["21", "22", "23", "24"]],
  ])("wrongSequenceNumber: consecutive frame %i alone has the SN of its successor", (frame, sns) => {
    const sender = new SenderDriver({}, { name: "wrongSequenceNumber", frame });
    sender.send(counting(34));
    sender.confirm();
    const sent = [...sender.receive("300000"), ...sender.confirm(), ...sender.confirm(), ...sender.confirm()];
    expect(sent.map((payload) => payload.slice(0, 2))).toEqual(sns);
    expect(sender.confirm()).toEqual(["sent"]);
  });
});
