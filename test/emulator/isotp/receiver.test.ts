import { describe, expect, it } from "vitest";
import { type Duration, ms, ns, us } from "../../../emulator/kernel/time.ts";
import { toHex } from "../../../emulator/wire/text.ts";
import { counting, ReceiverDriver } from "./machine-driver.ts";

const ONE = ns(1);
const justUnder = (span: Duration): Duration => (span - 1) as Duration;
const FF20 = "1014000102030405";
const CF1 = "21060708090a0b0c";
const CF2 = "220d0e0f10111213";
const MESSAGE20 = `message ${toHex(counting(20))}`;
const CTS = "300000";

/** A reception that has come as far as waiting for its first consecutive frame. */
function receiving(overrides: ConstructorParameters<typeof ReceiverDriver>[0] = {}): ReceiverDriver {
  const receiver = new ReceiverDriver(overrides);
  receiver.receive(FF20);
  receiver.confirm();
  return receiver;
}

describe("IsoTpReceiver", () => {
  it("hands over a single frame", () => {
    expect(new ReceiverDriver().receive("03010203cccccccc")).toEqual(["message 010203"]);
  });

  it("answers a first frame with flow control and puts the message together", () => {
    const receiver = new ReceiverDriver({ blockSize: 9, stMin: us(300) });
    expect(receiver.receive(FF20)).toEqual(["3009f3"]);
    expect(receiver.confirm()).toEqual([]);
    expect(receiver.receive(CF1)).toEqual([]);
    expect(receiver.receive(CF2)).toEqual([MESSAGE20]);
    expect(receiver.machine.nextDeadline()).toBeUndefined();
  });

  it("asks for the next block after every blockSize frames, and not after the last", () => {
    const receiver = receiving({ blockSize: 1 });
    expect(receiver.receive(CF1)).toEqual(["300100"]);
    receiver.confirm();
    expect(receiver.receive(CF2)).toEqual([MESSAGE20]);
  });

  it("takes N_Br before each flow control frame", () => {
    const receiver = new ReceiverDriver({ nBr: ms(4), blockSize: 1 });
    expect(receiver.receive(FF20)).toEqual([]);
    expect(receiver.wait(justUnder(ms(4)))).toEqual([]);
    expect(receiver.wait(ONE)).toEqual(["300100"]);
    receiver.confirm();
    expect(receiver.receive(CF1)).toEqual([]);
    expect(receiver.wait(justUnder(ms(4)))).toEqual([]);
    expect(receiver.wait(ONE)).toEqual(["300100"]);
  });

  it("gives up at N_Ar, not before, when its flow control is not confirmed", () => {
    const receiver = new ReceiverDriver({ nAr: ms(70) });
    receiver.receive(FF20);
    expect(receiver.wait(justUnder(ms(70)))).toEqual([]);
    expect(receiver.wait(ONE)).toEqual(["withdraw", "N_TIMEOUT_A"]);
  });

  it("gives up at N_Cr after the confirmation of its flow control, not before", () => {
    const receiver = new ReceiverDriver({ nCr: ms(150) });
    receiver.receive(FF20);
    receiver.wait(ms(500));
    receiver.confirm();
    expect(receiver.wait(justUnder(ms(150)))).toEqual([]);
    expect(receiver.wait(ONE)).toEqual(["N_TIMEOUT_Cr"]);
  });

  it("starts N_Cr anew with every consecutive frame", () => {
    const receiver = receiving({ nCr: ms(150) });
    receiver.wait(ms(149));
    receiver.receive(CF1);
    expect(receiver.wait(justUnder(ms(150)))).toEqual([]);
    expect(receiver.wait(ONE)).toEqual(["N_TIMEOUT_Cr"]);
    expect(receiver.receive(CF2)).toEqual([]);
  });

  it("refuses a message that is too long with overflow, and takes the next one", () => {
    const receiver = new ReceiverDriver({ messageSizeMax: 19 });
    expect(receiver.receive(FF20)).toEqual(["320000"]);
    expect(receiver.confirm()).toEqual([]);
    expect(receiver.receive(CF1)).toEqual([]);
    expect(receiver.wait(ms(5000))).toEqual([]);
    expect(receiver.receive("1013000102030405")).toEqual([CTS]);
  });

  it("refuses FF_DL 2^32 - 1 without taking memory for it", () => {
    expect(new ReceiverDriver().receive("1000ffffffff0001")).toEqual(["320000"]);
  });

  it("ends with N_WRONG_SN when a frame was lost", () => {
    const receiver = receiving();
    expect(receiver.receive(CF2)).toEqual(["N_WRONG_SN"]);
    expect(receiver.receive(CF1)).toEqual([]);
  });

  it("ends with N_WRONG_SN when a frame comes twice", () => {
    const receiver = receiving();
    receiver.receive(CF1);
    expect(receiver.receive(CF1)).toEqual(["N_WRONG_SN"]);
  });

  it("bears the last frame of a block twice, before it has asked for the next", () => {
    const receiver = receiving({ blockSize: 1 });
    expect(receiver.receive(CF1)).toEqual(["300100"]);
    expect(receiver.receive(CF1)).toEqual([]);
    receiver.confirm();
    expect(receiver.receive(CF2)).toEqual([MESSAGE20]);
  });

  it("tells nobody when it is reset", () => {
    const receiver = receiving();
    receiver.machine.handle({ type: "reset" }, receiver.now);
    expect([receiver.said(), receiver.wait(ms(5000)), receiver.receive(CF1)]).toEqual([[], [], []]);
  });

  it("ends with N_ERROR when the link gives up its flow control", () => {
    const receiver = new ReceiverDriver();
    receiver.receive(FF20);
    receiver.machine.handle({ type: "aborted" }, receiver.now);
    expect(receiver.said()).toEqual(["N_ERROR"]);
  });

  it("can be saved and put back in the middle, any number of times", () => {
    const one = receiving({ blockSize: 1 });
    const saved = one.machine.save();
    const rest = (driver: ReceiverDriver): string[] => [
      ...driver.receive(CF1),
      ...driver.confirm(),
      ...driver.receive(CF2),
    ];
    const expected = rest(one);
    expect(expected).toEqual(["300100", MESSAGE20]);
    for (let round = 0; round < 2; round++) {
      const other = new ReceiverDriver({ blockSize: 1 });
      other.machine.load(saved);
      expect(rest(other)).toEqual(expected);
    }
  });
});

describe("unexpected N_PDUs", () => {
  // Every state in which a frame may come, and every kind of frame.
  const states: Readonly<Record<string, (receiver: ReceiverDriver) => void>> = {
    idle: () => undefined,
    "N_Br runs": (receiver) => void receiver.receive(FF20),
    "flow control on its way": (receiver) => {
      receiver.receive(FF20);
      receiver.wait(ms(4));
    },
    receiving: (receiver) => {
      receiver.receive(FF20);
      receiver.wait(ms(4));
      receiver.confirm();
    },
  };
  const start = (state: string): ReceiverDriver => {
    const receiver = new ReceiverDriver({ nBr: ms(4) });
    states[state]?.(receiver);
    return receiver;
  };

  it.each([
    ["idle", ["message 07"]],
    ["N_Br runs", ["N_UNEXP_PDU", "message 07"]],
    ["flow control on its way", ["withdraw", "N_UNEXP_PDU", "message 07"]],
    ["receiving", ["N_UNEXP_PDU", "message 07"]],
  ])("SF while %s is taken; a reception that ran is over", (state, said) => {
    expect(start(state).receive("0107")).toEqual(said);
  });

  it.each([
    ["idle", []],
    ["N_Br runs", ["N_UNEXP_PDU"]],
    ["flow control on its way", ["withdraw", "N_UNEXP_PDU"]],
    ["receiving", ["N_UNEXP_PDU"]],
  ])("FF while %s begins a new reception; one that ran is over", (state, said) => {
    const receiver = start(state);
    expect(receiver.receive(FF20)).toEqual(said);
    expect(receiver.wait(ms(4))).toEqual([CTS]);
    receiver.confirm();
    receiver.receive(CF1);
    expect(receiver.receive(CF2)).toEqual([MESSAGE20]);
  });

  it.each(["idle", "N_Br runs", "flow control on its way"])("CF while %s is ignored", (state) => {
    expect(start(state).receive(CF1)).toEqual([]);
  });

  it.each(Object.keys(states))("FC and anything unknown while %s is ignored", (state) => {
    for (const hex of ["300000", "320000", "40", "f0112233", "", "00", "1007000000000000", "21"]) {
      expect(start(state).receive(hex)).toEqual([]);
    }
  });

  it("an overflow answer that is still on its way is not withdrawn without a successor", () => {
    const receiver = new ReceiverDriver({ messageSizeMax: 5 });
    expect(receiver.receive(FF20)).toEqual(["320000"]);
    expect(receiver.wait(ms(1000))).toEqual(["withdraw"]); // N_Ar; there is no message that could fail
  });
});

describe("lengths of consecutive frames", () => {
  const fd = { txDl: 64, fd: true, messageSizeMax: 1000 } as const;
  const first = `1082${toHex(counting(62))}`; // 130 bytes: 62 + 63 + 5
  const second = `21${toHex(counting(125).slice(62))}`;
  const started = (): ReceiverDriver => {
    const receiver = new ReceiverDriver(fd);
    receiver.receive(first);
    receiver.confirm();
    return receiver;
  };

  it("CAN FD: all but the last are as long as the first frame, others are ignored", () => {
    const receiver = started();
    expect(receiver.receive(second.slice(0, 96))).toEqual([]); // 48 bytes
    expect(receiver.receive(second)).toEqual([]);
    expect(receiver.receive("227d7e7f8081")).toEqual([`message ${toHex(counting(130))}`]);
  });

  it.each([
    ["exact", "227d7e7f8081"],
    ["padded to 8", "227d7e7f8081cccc"],
    ["padded to RX_DL", `227d7e7f8081${"cc".repeat(58)}`],
  ])("CAN FD: the last may be %s", (_, last) => {
    const receiver = started();
    receiver.receive(second);
    expect(receiver.receive(last)).toEqual([`message ${toHex(counting(130))}`]);
  });

  it.each([
    ["too short for its data", "227d7e7f80"],
    ["of another length", "227d7e7f8081cc"],
    ["padded to something between", `227d7e7f8081${"cc".repeat(6)}`],
  ])("CAN FD: the last is ignored when it is %s", (_, last) => {
    const receiver = started();
    receiver.receive(second);
    expect(receiver.receive(last)).toEqual([]);
    expect(receiver.receive("227d7e7f8081")).toHaveLength(1);
  });

  it.each([8, 16])("CAN FD: the last is ignored when its 19 bytes were to be in a frame of %i", (canDl) => {
    const receiver = new ReceiverDriver(fd);
    receiver.receive(`1090${toHex(counting(62))}`);
    receiver.confirm();
    receiver.receive(second);
    const last = `22${toHex(counting(144).slice(125))}`;
    expect(receiver.receive(last.slice(0, 2 * canDl))).toEqual([]);
    expect(receiver.receive(last)).toEqual([`message ${toHex(counting(144))}`]);
  });

  it("classic: a short frame in the middle is ignored, the reception goes on", () => {
    const receiver = receiving();
    expect(receiver.receive("210607")).toEqual([]);
    receiver.receive(CF1);
    expect(receiver.receive(CF2)).toEqual([MESSAGE20]);
  });
});
