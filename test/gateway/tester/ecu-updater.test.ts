import { describe, expect, it } from "vitest";
import { type Instant, ms, ns, s } from "../../../emulator/kernel/time.ts";
import { FakeEcu, imageOf, LOST, type Script, SILENCE } from "./support/fake-ecu.ts";

const IMAGE = imageOf(); // 4096 + 2500 bytes: seven blocks of 1024
const PROGRAM = { type: "program", image: IMAGE } as const;
const UNLOCK = ["2701", "27021e16e3a3"];
const QUIET = ["8502", "280301"];
const ENTRY = ["1003", ...QUIET, ...UNLOCK, "1002", ...UNLOCK];
/** After a commit. */
const LEAVE = ["280001", "8501", "1001"];

describe("identify", () => {
  it("reads version, serial number and hardware version in the session that is", () => {
    const ecu = new FakeEcu();
    expect(ecu.do({ type: "identify" })).toEqual({
      type: "identified",
      version: "1.0.0",
      serial: "SN-0042",
      hardwareVersion: "1.0.0",
    });
    expect(ecu.requests).toEqual(["22f195", "22f18c", "22f193"]);
  });

  it("asks again an ECU that sleeps through the first question", () => {
    const ecu = new FakeEcu((request, occurrence) => (request === "22f195" && occurrence === 1 ? SILENCE : undefined));
    expect(ecu.do({ type: "identify" })).toMatchObject({ type: "identified", version: "1.0.0" });
  });

  it("leaves out what the ECU does not have, but not the version", () => {
    const serial = new FakeEcu((request) => (request === "22f18c" ? "7f2231" : undefined));
    expect(serial.do({ type: "identify" })).toMatchObject({ serial: "", version: "1.0.0" });
    const version = new FakeEcu((request) => (request === "22f195" ? "7f2231" : undefined));
    expect(version.do({ type: "identify" })).toMatchObject({ type: "failed", phase: "identify" });
  });

  it("gives up an ECU that is silent after four questions", () => {
    const ecu = new FakeEcu(() => SILENCE);
    expect(ecu.do({ type: "identify" })).toMatchObject({ error: { code: "UDS_TIMEOUT" } });
    expect(ecu.requests).toHaveLength(4);
    expect(ecu.timeline.now).toBe(ms(4 * 2050));
  });
});

describe("program", () => {
  it("goes through the sequence, and nothing else", () => {
    const ecu = new FakeEcu();
    expect(ecu.do(PROGRAM)).toEqual({ type: "programmed" });
    expect(ecu.requests.map((request) => (request.startsWith("36") ? request.slice(0, 4) : request))).toEqual([
      "22f193",
      ...ENTRY,
      "2ef15b261121010203040506",
      "3101ff0044800d2000000019c4",
      "340044800d2000000019c4",
      "3601",
      "3602",
      "3603",
      "3604",
      "3605",
      "3606",
      "3607",
      "37",
      "3101ff02",
    ]);
    expect(ecu.blocks).toEqual([1024, 1024, 1024, 1024, 1024, 1024, 452]);
  });

  it("sends the image byte for byte", () => {
    const ecu = new FakeEcu();
    ecu.do(PROGRAM);
    const sent = ecu.requests.filter((request) => request.startsWith("36")).map((request) => request.slice(4));
    expect(sent.join("")).toBe(Buffer.from(IMAGE).toString("hex"));
  });

  it("tells how far it is, in bytes", () => {
    const ecu = new FakeEcu();
    ecu.do(PROGRAM);
    const shown = ecu.said.flatMap((said) => (said.type === "progress" ? [[said.phase, said.done, said.total]] : []));
    const total = IMAGE.length;
    expect(shown).toEqual([
      ["session", 0, 0],
      ["security", 0, 0],
      ["session", 0, 0],
      ["security", 0, 0],
      ["erase", 0, total],
      ["erase", total, total],
      ["transfer", 0, total],
      ...[1024, 2048, 3072, 4096, 5120, 6144, total].map((done) => ["transfer", done, total]),
      ["check", 0, total],
      ["check", total, total],
    ]);
  });

  it("counts blocks from 01, and goes from FF to 00", () => {
    const ecu = new FakeEcu((request) => (request.startsWith("34") ? "741022" : undefined)); // 32 bytes of data
    ecu.do({ type: "program", image: imageOf(32 * 300 - 4096) });
    const counters = ecu.requests.filter((request) => request.startsWith("36")).map((request) => request.slice(2, 4));
    expect(counters).toHaveLength(300);
    expect(counters[0]).toBe("01");
    expect(counters.slice(253, 258)).toEqual(["fe", "ff", "00", "01", "02"]);
  });

  it.each([
    ["7410ff", 4095, 253],
    ["74200fff", 4095, 4093],
    ["7440000fffff", 4095, 4093],
    ["74200402", 514, 512],
  ])("cuts blocks to what the ECU (%s) and the way (%i) take", (answer, messageMax, length) => {
    const ecu = new FakeEcu((request) => (request.startsWith("34") ? answer : undefined), { messageMax });
    ecu.do(PROGRAM);
    const lengths = ecu.requests.filter((request) => request.startsWith("36")).map((request) => request.length / 2 - 2);
    expect(lengths[0]).toBe(length);
  });

  it.each(["74", "7400", "742004", "74200002"])("does not guess a block length (%s)", (answer) => {
    const ecu = new FakeEcu((request) => (request.startsWith("34") ? answer : undefined));
    expect(ecu.do(PROGRAM)).toMatchObject({ phase: "transfer", error: { code: "UDS_RESPONSE_MALFORMED" } });
    expect(ecu.count("36")).toBe(0);
  });

  it("sends no key to an ECU that is unlocked already", () => {
    const ecu = new FakeEcu((request) => (request === "2701" ? "670100000000" : undefined));
    expect(ecu.do(PROGRAM)).toEqual({ type: "programmed" });
    expect(ecu.count("2702")).toBe(0);
  });

  it("keeps the session alive every 2 s until the next command", () => {
    const ecu = new FakeEcu();
    ecu.do(PROGRAM);
    const before = ecu.requests.length;
    ecu.run(ns(1_999_999_999));
    expect(ecu.requests).toHaveLength(before);
    ecu.run(s(6));
    expect(ecu.requests.slice(before)).toEqual(["3e80", "3e80", "3e80"]);
    ecu.do({ type: "release" });
    ecu.run(s(60));
    expect(ecu.requests.at(-1)).toBe("1001");
  });
});

describe("program refuses, before it asks anything,", () => {
  it.each([
    ["an image that is longer than the bank", imageOf(0x10000), "UPDATE_IMAGE_TOO_LARGE"],
    ["an image that is cut off", IMAGE.subarray(0, IMAGE.length - 1), "UPDATE_IMAGE_MALFORMED"],
    ["an image without a header", new Uint8Array(5000), "UPDATE_IMAGE_MALFORMED"],
    ["nothing at all", new Uint8Array(0), "UPDATE_IMAGE_MALFORMED"],
    ["an image for another ECU", imageOf(100, "ECU_012"), "UPDATE_IMAGE_FOR_OTHER_ECU"],
  ])("%s", (_, image, code) => {
    const ecu = new FakeEcu();
    expect(ecu.do({ type: "program", image })).toMatchObject({ type: "failed", phase: "session", error: { code } });
    expect(ecu.requests).toEqual([]);
  });

  it("or anything but the hardware, an image for other hardware", () => {
    const ecu = new FakeEcu();
    expect(ecu.do({ type: "program", image: imageOf(100, "ECU_011", 0x020000) })).toMatchObject({
      error: { code: "UPDATE_IMAGE_FOR_OTHER_HARDWARE" },
    });
    expect(ecu.requests).toEqual(["22f193"]);
  });
});

describe("activate", () => {
  const updated: Script = (request, _, ecu) => {
    if (request === "3101ff01") ecu.nextVersion = "2.0.0";
    return undefined;
  };

  it("puts the bank on trial, resets, waits for the start and asks until it is steady", () => {
    const ecu = new FakeEcu(updated);
    ecu.do(PROGRAM);
    const from = ecu.requests.length;
    expect(ecu.do({ type: "activate" })).toEqual({ type: "activated", version: "2.0.0" });
    expect(ecu.requests.slice(from, from + 4)).toEqual(["22f195", "3101ff01", "1101", "22f195"]);
    const at = (index: number): Instant => ecu.times[from + index] as Instant;
    expect(at(3) - at(2)).toBe(ms(500));
    expect(ecu.timeline.now - at(3)).toBe(s(3));
    expect(ecu.requests.slice(from + 3)).toHaveLength(1 + 15);
  });

  it("is patient with an ECU that takes long to start", () => {
    const ecu = new FakeEcu((request, occurrence, self) => {
      const booting = request === "22f195" && self.count("1101") === 1 && occurrence < 12;
      return booting ? SILENCE : updated(request, occurrence, self);
    });
    ecu.do(PROGRAM);
    expect(ecu.do({ type: "activate" })).toEqual({ type: "activated", version: "2.0.0" });
  });

  it("gives up an ECU that does not start", () => {
    const ecu = new FakeEcu((request, occurrence, self) =>
      self.count("1101") === 1 ? SILENCE : updated(request, occurrence, self),
    );
    ecu.do(PROGRAM);
    expect(ecu.do({ type: "activate" })).toMatchObject({ phase: "activate", error: { code: "UDS_TIMEOUT" } });
    expect(ecu.timeline.now).toBeLessThan(s(120));
  });

  it("sees a new application that crashes after it has answered", () => {
    let answers = 0;
    const ecu = new FakeEcu((request, occurrence, self) => {
      if (request !== "22f195" || self.count("1101") === 0) return updated(request, occurrence, self);
      answers++;
      if (answers <= 5) return undefined;
      self.version = "1.0.0";
      return answers <= 7 ? SILENCE : undefined;
    });
    ecu.do(PROGRAM);
    expect(ecu.do({ type: "activate" })).toEqual({ type: "activated", version: "1.0.0" });
  });

  it("fails when the dependencies are not met, and does not reset", () => {
    const ecu = new FakeEcu((request) => (request === "3101ff01" ? "7101ff0105" : undefined));
    ecu.do(PROGRAM);
    expect(ecu.do({ type: "activate" })).toMatchObject({
      phase: "activate",
      error: { code: "UPDATE_DEPENDENCIES_NOT_MET" },
    });
    expect(ecu.count("11")).toBe(0);
  });

  it("enters the programming session again when it is gone", () => {
    const ecu = new FakeEcu((request, occurrence, self) =>
      request === "3101ff01" && occurrence === 1 ? "7f317f" : updated(request, occurrence, self),
    );
    ecu.do(PROGRAM);
    const from = ecu.requests.length;
    expect(ecu.do({ type: "activate" })).toEqual({ type: "activated", version: "2.0.0" });
    expect(ecu.requests.slice(from, from + 12)).toEqual(["22f195", "3101ff01", ...ENTRY, "3101ff01", "1101"]);
  });

  it("asks for the version when an ECU resets itself instead of answering FF01, and does not reset it again", () => {
    const ecu = new FakeEcu((request, _, self) => {
      if (request !== "3101ff01") return undefined;
      self.session = 1;
      self.version = "2.0.0";
      return SILENCE;
    });
    ecu.do(PROGRAM);
    expect(ecu.do({ type: "activate" })).toEqual({ type: "activated", version: "2.0.0" });
    expect(ecu.count("1101")).toBe(0);
  });

  it("resets again when the reset was lost, and says so when it never happens", () => {
    const once = new FakeEcu((request, occurrence, self) =>
      request === "1101" && occurrence === 1 ? SILENCE : updated(request, occurrence, self),
    );
    once.do(PROGRAM);
    expect(once.do({ type: "activate" })).toEqual({ type: "activated", version: "2.0.0" });
    expect(once.count("1101")).toBe(2);
    const never = new FakeEcu((request) => (request === "1101" ? SILENCE : undefined));
    never.do(PROGRAM);
    expect(never.do({ type: "activate" })).toMatchObject({ error: { code: "UPDATE_RESET_FAILED" } });
    expect(never.count("1101")).toBe(3);
  });

  it("never takes the answer to the reset for the result", () => {
    const ecu = new FakeEcu();
    ecu.do(PROGRAM);
    expect(ecu.do({ type: "activate" })).toEqual({ type: "activated", version: "1.0.0" });
  });
});

describe("an ECU that is to be quiet while it is programmed", () => {
  it.each(["7f8511", "7f857f", "7f8522"])("may refuse that (%s), and is programmed all the same", (answer) => {
    const ecu = new FakeEcu((request) => (request.startsWith("85") ? answer : undefined));
    expect(ecu.do(PROGRAM)).toEqual({ type: "programmed" });
    expect(ecu.count("85")).toBe(1);
    expect(ecu.do({ type: "commit" })).toEqual({ type: "committed" });
  });

  it("is asked again when it is busy, or when its answer gets lost", () => {
    const busy = new FakeEcu((request, occurrence) => (request === "280301" && occurrence < 3 ? "7f2821" : undefined));
    expect(busy.do(PROGRAM)).toEqual({ type: "programmed" });
    expect(busy.count("280301")).toBe(3);
    const lossy = new FakeEcu((request, occurrence) => (request === "8502" && occurrence === 1 ? SILENCE : undefined));
    expect(lossy.do(PROGRAM)).toEqual({ type: "programmed" });
    expect([lossy.count("8502"), lossy.count("1003")]).toEqual([2, 1]);
  });

  it("is not asked to where the configuration says so", () => {
    const ecu = new FakeEcu(() => undefined, { quiet: false });
    ecu.do(PROGRAM);
    ecu.do({ type: "commit" });
    expect([ecu.count("85"), ecu.count("28")]).toEqual([0, 0]);
  });

  it("is committed even if it never answers to being loud again", () => {
    const ecu = new FakeEcu((request) => (request === "280001" || request === "8501" ? SILENCE : undefined));
    expect(ecu.do({ type: "commit" })).toEqual({ type: "committed" });
    expect(ecu.count("31010302")).toBe(1);
  });
});

describe("commit and revert", () => {
  it("are done unlocked, in the extended session", () => {
    const ecu = new FakeEcu();
    expect(ecu.do({ type: "commit" })).toEqual({ type: "committed" });
    expect(ecu.requests).toEqual(["1003", ...UNLOCK, "31010302", ...LEAVE]);
  });

  it("are done in the programming session where the ECU wants it so", () => {
    const ecu = new FakeEcu((request, _, self) =>
      request.startsWith("310103") && self.session !== 2 ? "7f3131" : undefined,
    );
    expect(ecu.do({ type: "commit" })).toEqual({ type: "committed" });
    expect(ecu.requests).toEqual(["1003", ...UNLOCK, "31010302", "1002", ...UNLOCK, "31010302", ...LEAVE]);
    expect(ecu.do({ type: "revert" })).toMatchObject({ type: "reverted" });
  });

  it("waits with a commit until the software has confirmed itself, but not for ever", () => {
    const early = new FakeEcu((request, occurrence) =>
      request === "31010302" && occurrence <= 4 ? "7f3122" : undefined,
    );
    expect(early.do({ type: "commit" })).toEqual({ type: "committed" });
    expect(early.timeline.now).toBe(s(2));
    const never = new FakeEcu((request) => (request === "31010302" ? "7f3122" : undefined));
    expect(never.do({ type: "commit" })).toMatchObject({ error: { code: "NRC_CONDITIONS_NOT_CORRECT" } });
    expect(never.count("31010302")).toBe(21);
  });

  it("reverts by 0301, a reset, and the version that runs then", () => {
    const ecu = new FakeEcu((request, _, self) => {
      if (request === "31010301") self.nextVersion = "0.9.0";
      return undefined;
    });
    expect(ecu.do({ type: "revert" })).toEqual({ type: "reverted", version: "0.9.0" });
    expect(ecu.requests).toEqual(["1003", ...UNLOCK, "31010301", "1101", "22f195"]);
  });
});

describe("commands", () => {
  it("come one at a time", () => {
    const ecu = new FakeEcu(() => SILENCE);
    ecu.push({ type: "identify" });
    expect(() => ecu.push({ type: "activate" })).toThrow("identify is under way");
  });

  it("may be abandoned by a release", () => {
    const ecu = new FakeEcu((request) => (request.startsWith("3603") ? SILENCE : undefined));
    ecu.push(PROGRAM);
    expect(ecu.do({ type: "release" })).toEqual({ type: "released" });
    ecu.run(s(60));
    expect(ecu.requests.at(-1)).toBe("1001");
    expect(ecu.ended).toEqual([{ type: "released" }]);
  });

  it("wait for a 3E 80 that is on its way", () => {
    let held = false;
    const ecu = new FakeEcu((request) => (request === "3e80" && held ? LOST : undefined));
    ecu.do(PROGRAM);
    held = true;
    ecu.run(s(2));
    expect(ecu.do({ type: "activate" })).toMatchObject({ type: "activated" });
  });
});

it("goes on from its state, taken at any request of an update, as if nothing had been", () => {
  const sequence = [PROGRAM, { type: "activate" }, { type: "commit" }] as const;
  const whole = new FakeEcu();
  for (const command of sequence) whole.do(command);
  for (let stop = 1; stop <= whole.requests.length; stop++) {
    const one = new FakeEcu();
    one.holdAt = stop;
    let commands = 0;
    while (one.requests.length < stop) {
      if (one.ended.length === commands) one.push(sequence[commands++] as (typeof sequence)[number]);
      else one.timeline.step();
    }
    const other = new FakeEcu();
    other.become(one);
    for (const each of [one, other]) {
      each.give(one.held);
      while (each.timeline.next !== undefined && each.timeline.now < s(30)) each.timeline.step();
    }
    expect(other.requests).toEqual(one.requests.slice(stop));
    expect(other.ended).toEqual(one.ended.slice(commands - 1));
    expect(one.ended).toHaveLength(commands);
  }
});
