import { describe, expect, it } from "vitest";
import { ms, s } from "../../../emulator/kernel/time.ts";
import { FakeEcu, imageOf, LOST, type Reply, type Script, SILENCE } from "./support/fake-ecu.ts";

const PROGRAM = { type: "program", image: imageOf() } as const;

/** Replies so to the requests with these first bytes, the first `times` of them. */
function when(prefix: string, reply: Reply, times = Number.POSITIVE_INFINITY): Script {
  let left = times;
  return (request) => {
    if (!request.startsWith(prefix) || left === 0) return undefined;
    left--;
    return reply;
  };
}

const programmed = (script: Script): FakeEcu => {
  const ecu = new FakeEcu(script);
  expect(ecu.do(PROGRAM)).toEqual({ type: "programmed" });
  return ecu;
};
const failing = (script: Script, phase: string, code: string): FakeEcu => {
  const ecu = new FakeEcu(script);
  expect(ecu.do(PROGRAM)).toMatchObject({ type: "failed", phase, error: { code } });
  return ecu;
};

describe("session and security", () => {
  it.each(["7f1022", "7f107e", "7f1012"])("end with the refusal of the programming session (%s)", (answer) => {
    const ecu = new FakeEcu(when("1002", answer));
    expect(ecu.do(PROGRAM)).toMatchObject({ type: "failed", phase: "session" });
    expect(ecu.count("31")).toBe(0);
  });

  it.each([
    ["7f2735", "NRC_INVALID_KEY"],
    ["7f2736", "NRC_EXCEEDED_NUMBER_OF_ATTEMPTS"],
  ])("end with the first key that is refused (%s)", (answer, code) => {
    const ecu = failing(when("2702", answer), "security", code);
    expect(ecu.count("2702")).toBe(1);
    expect(ecu.timeline.now).toBe(0);
  });

  it("leave an ECU alone that wants a delay, keep its session alive, and ask for a seed once more", () => {
    const ecu = programmed(when("2701", "7f2737", 1));
    expect(ecu.timeline.now).toBe(ms(10_500));
    expect(ecu.count("3e80")).toBe(5);
    expect(ecu.count("2702")).toBe(2);
  });

  it("end when the delay is still not over", () => {
    const ecu = failing(when("2701", "7f2737"), "security", "NRC_REQUIRED_TIME_DELAY_NOT_EXPIRED");
    expect(ecu.count("2701")).toBe(2);
    expect(ecu.count("2702")).toBe(0);
  });

  it("end with a seed of another length", () => {
    failing(when("2701", "67011234"), "security", "UDS_RESPONSE_MALFORMED");
  });

  it("start over when the session has gone meanwhile", () => {
    const ecu = programmed(when("2ef15b", "7f2e33", 1));
    expect(ecu.count("1003")).toBe(2);
    expect(ecu.timeline.now).toBe(s(1));
  });

  it.each(["1002", "7f", "7f0131"])("end at once with what is no answer (%s), and nothing is erased", (answer) => {
    const ecu = new FakeEcu(when("1002", answer));
    expect(ecu.do(PROGRAM)).toMatchObject({ type: "failed", phase: "session" });
    expect(ecu.timeline.now).toBe(0);
    expect(ecu.count("31")).toBe(0);
  });

  it("end with an error of authentication, and with one that has no name", () => {
    failing(when("2701", "7f275d"), "security", "NRC_DE_AUTHENTICATION_FAILED");
    failing(when("2701", "7f274f"), "security", "NEGATIVE_RESPONSE");
  });

  it("do not send 10 02 again blindly when its answer does not come", () => {
    const ecu = programmed(when("1002", SILENCE, 1));
    expect(ecu.short().slice(0, 8)).toEqual(["22f1", "1003", "8502", "2803", "2701", "2702", "1002", "22f1"]);
  });
});

describe("0x21", () => {
  it.each(["1003", "31", "3603", "37"])("makes the tester ask again, 200 ms later (%s)", (prefix) => {
    const ecu = programmed(when(prefix, `7f${prefix.slice(0, 2)}21`, 3));
    expect(ecu.timeline.now).toBe(ms(600));
    expect(ecu.count("1003")).toBe(prefix === "1003" ? 4 : 1);
  });

  it("without end is given up", () => {
    const ecu = failing(when("34", "7f3421"), "transfer", "NRC_BUSY_REPEAT_REQUEST");
    expect(ecu.count("34")).toBe(3 * 21);
    expect(ecu.count("36")).toBe(0);
  });
});

describe("erase", () => {
  it("waits while the ECU answers 0x78", () => {
    programmed(when("3101ff00", ["7f3178", "7f3178", "7101ff0000"]));
  });

  it("that breaks off after a 0x78 is begun again from the session", () => {
    const ecu = programmed(when("3101ff00", "7f3178", 1));
    expect(ecu.timeline.now).toBe(ms(7000 + 1000));
    expect(ecu.count("1002")).toBe(2);
    expect(ecu.count("3101ff00")).toBe(2);
  });

  it("that is answered 0x78 for ever is given up, and the ECU is left in its bootloader", () => {
    const ecu = new FakeEcu(when("3101ff00", ["7f3178"]), { client: { pendingMax: s(20) } });
    ecu.push(PROGRAM);
    while (ecu.timeline.now < s(20)) {
      ecu.run(s(4));
      if (ecu.ended.length === 0) ecu.give("7f3178");
    }
    expect(ecu.ended).toMatchObject([{ type: "failed", phase: "erase", error: { code: "UDS_PENDING_TOO_LONG" } }]);
    expect(ecu.requests.at(-1)).toMatch(/^3101ff00/);
  });

  it.each([
    ["7f3172", "NRC_GENERAL_PROGRAMMING_FAILURE", 3],
    ["7101ff0001", "UPDATE_ERASE_FAILED", 3],
    ["7f3122", "NRC_CONDITIONS_NOT_CORRECT", 1],
    ["7f3193", "NRC_VOLTAGE_TOO_LOW", 1],
    ["7f3131", "NRC_REQUEST_OUT_OF_RANGE", 1],
  ])("answered %s fails as %s after %i attempts, without a download", (answer, code, attempts) => {
    const ecu = failing(when("3101ff00", answer), "erase", code);
    expect(ecu.count("3101ff00")).toBe(attempts);
    expect(ecu.count("34")).toBe(0);
  });

  it("is not begun when the fingerprint is refused", () => {
    const ecu = failing(when("2ef15b", "7f2e31"), "security", "NRC_REQUEST_OUT_OF_RANGE");
    expect(ecu.count("31")).toBe(0);
  });
});

describe("download", () => {
  it.each(["7f3431", "7f3470", "7f3422", "7f3413"])(
    "that is refused on purpose is not asked for again (%s)",
    (answer) => {
      const ecu = new FakeEcu(when("34", answer));
      expect(ecu.do(PROGRAM)).toMatchObject({ type: "failed", phase: "transfer" });
      expect(ecu.count("34")).toBe(1);
      expect(ecu.count("36")).toBe(0);
    },
  );

  it.each([
    ["7f3671", "NRC_TRANSFER_DATA_SUSPENDED"],
    ["7f3672", "NRC_GENERAL_PROGRAMMING_FAILURE"],
    ["7f3673", "NRC_WRONG_BLOCK_SEQUENCE_COUNTER"],
    ["7f3624", "NRC_REQUEST_SEQUENCE_ERROR"],
    ["7f367f", "NRC_SERVICE_NOT_SUPPORTED_IN_ACTIVE_SESSION"],
    ["7f3633", "NRC_SECURITY_ACCESS_DENIED"],
  ])("block 3 answered %s: from the session again, never the next block, three attempts", (answer, code) => {
    const ecu = failing(when("3603", answer), "transfer", code);
    const blocks = ecu.short().filter((request) => request.startsWith("36"));
    expect(blocks).toEqual(["3601", "3602", "3603", "3601", "3602", "3603", "3601", "3602", "3603"]);
    expect(ecu.count("3101ff00")).toBe(3);
    expect(ecu.count("1003")).toBe(3);
    expect(ecu.timeline.now).toBe(s(1 + 2));
  });

  it("that goes well the second time is a success", () => {
    const ecu = programmed(when("3603", "7f3672", 1));
    expect(ecu.blocks).toHaveLength(7);
  });

  it("is begun as often as it is configured", () => {
    const ecu = new FakeEcu(when("3603", "7f3672"), { attemptsMax: 1 });
    expect(ecu.do(PROGRAM)).toMatchObject({ type: "failed" });
    expect(ecu.count("1003")).toBe(1);
  });

  it.each<[string, Reply]>([
    ["no answer comes", SILENCE],
    ["the bus behind the gateway loses it", { refused: 8 }],
  ])("sends a block again, with its counter, when %s", (_, reply) => {
    const ecu = programmed(when("3603", reply, 3));
    const blocks = ecu.short().filter((request) => request.startsWith("36"));
    expect(blocks).toEqual(["3601", "3602", "3603", "3603", "3603", "3603", "3604", "3605", "3606", "3607"]);
    expect(new Set(ecu.requests.filter((request) => request.startsWith("3603"))).size).toBe(1);
  });

  it("gives up a block that never gets an answer after three attempts of four times", () => {
    const ecu = failing(when("3603", SILENCE), "transfer", "UDS_TIMEOUT");
    expect(ecu.count("3603")).toBe(12);
    expect(ecu.count("3604")).toBe(0);
  });

  it.each<[string, Reply]>([
    ["the connection is lost", LOST],
    ["the ECU can't be reached", { refused: 6 }],
  ])("starts over when %s", (_, reply) => {
    const ecu = programmed(when("3603", reply, 1));
    expect(ecu.count("1003")).toBe(2);
    expect(ecu.timeline.now).toBe(s(1));
  });

  it("waits when the gateway has no room", () => {
    const ecu = programmed(when("3603", { refused: 5 }, 4));
    expect(ecu.count("1003")).toBe(1);
    expect(ecu.timeline.now).toBe(ms(800));
  });

  it("asks a gateway without room for as long as a request before this one may be on its way", () => {
    const patient = new FakeEcu(when("3603", { refused: 5 }, 50), { client: { path: s(10) } });
    expect(patient.do(PROGRAM)).toEqual({ type: "programmed" });
    expect(patient.timeline.now).toBe(s(10));
    const usual = programmed(when("3603", { refused: 5 }, 20));
    expect(usual.count("1003")).toBe(1);
    expect(programmed(when("3603", { refused: 5 }, 21)).count("1003")).toBe(2);
  });

  it("starts over with blocks half as long when a block is too large for the way", () => {
    const ecu = new FakeEcu((request) => (request.length / 2 > 600 ? { refused: 4 } : undefined));
    expect(ecu.do(PROGRAM)).toEqual({ type: "programmed" });
    expect(ecu.blocks[0]).toBe(511);
  });

  it.each([2, 3, 7])("ends when the gateway has no way at all for us (code %i)", (code) => {
    const ecu = new FakeEcu(when("1003", { refused: code }));
    expect(ecu.do(PROGRAM)).toMatchObject({ type: "failed", phase: "session" });
    expect(ecu.requests).toHaveLength(2);
  });

  it.each(["7f3724", "7f3771", "7f3772", SILENCE])("is begun again when its end is answered %j", (answer) => {
    const ecu = programmed(when("37", answer, 1));
    expect(ecu.count("3101ff00")).toBe(2);
  });
});

describe("the check of what was written", () => {
  it.each([
    ["7101ff0205", "UPDATE_CHECK_FAILED"],
    ["7101ff02", "UPDATE_CHECK_FAILED"],
    ["7f3172", "NRC_GENERAL_PROGRAMMING_FAILURE"],
    ["7f3122", "NRC_CONDITIONS_NOT_CORRECT"],
  ])("answered %s is final: nothing is sent again, nothing is activated", (answer, code) => {
    const ecu = failing(when("3101ff02", answer), "check", code);
    expect(ecu.count("3101ff00")).toBe(1);
    expect(ecu.count("3101ff01")).toBe(0);
    ecu.run(s(60));
    expect(ecu.requests.at(-1)).toBe("3101ff02");
  });

  it("is asked for again when its answer got lost", () => {
    const ecu = programmed(when("3101ff02", SILENCE, 2));
    expect(ecu.count("3101ff02")).toBe(3);
    expect(ecu.count("1003")).toBe(1);
  });
});

describe("late answers", () => {
  it("to a block that was sent twice do not count for the next one", () => {
    const ecu = programmed((request, occurrence) => {
      if (!request.startsWith("3603")) return undefined;
      return occurrence === 1 ? SILENCE : ["7603", "7603"];
    });
    expect(ecu.blocks).toEqual([1024, 1024, 1024, 1024, 1024, 452]); // the script took block 3 for itself
    expect(ecu.said.filter(({ type }) => type === "noted")).toMatchObject([{ code: "UDS_LATE_RESPONSE" }]);
  });
});
