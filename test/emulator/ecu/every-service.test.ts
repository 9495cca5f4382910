import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { ms, s } from "../../../emulator/kernel/time.ts";
import type { Service } from "../../../emulator/uds/service.ts";
import { servicesOf } from "../../../emulator/uds/services/index.ts";
import { bytes, hex } from "./support/ecu-bench.ts";
import {
  EXAMPLES,
  type Example,
  enter,
  readyFor,
  SESSIONS,
  type SessionName,
  sidOf,
  wholeEcu,
} from "./support/every-service.ts";

const SERVER = servicesOf(wholeEcu().config.uds);
const NUMBERS: Readonly<Record<SessionName, number>> = { default: 1, programming: 2, extended: 3 };
const PATIENCE = s(3);

const serviceOf = ({ request }: Example): Service => SERVER.get(sidOf(request)) as Service;
const sidText = ({ request }: Example): string => request.slice(0, 2);
const suppressed = (request: string): string => {
  const data = bytes(request);
  data[1] = (data[1] as number) | 0x80;
  return hex(data);
};
const examples = EXAMPLES.map((example) => ({ ...example, sid: sidText(example) }));
const withSubFunction = examples.filter(({ subFunction }) => subFunction === true);

/** All that comes back in the time that the longest of them takes. */
function answers(bench: ReturnType<typeof wholeEcu>, request: string, functional = false): readonly string[] {
  const from = bench.responses.length;
  bench.send(request, functional);
  bench.after(PATIENCE);
  return bench.responses.slice(from);
}

describe("every service of the server", () => {
  it("has an example here, and a file of its own", () => {
    expect([...SERVER.keys()].toSorted((one, other) => one - other)).toEqual(
      EXAMPLES.map(({ request }) => sidOf(request)),
    );
    const index = readFileSync(new URL("../../../emulator/uds/services/index.ts", import.meta.url), "utf8");
    expect(index.match(/^import \{ \w+ \} from ".\/[\w-]+\.ts";$/gm)).toHaveLength(EXAMPLES.length);
  });

  it.each(examples)("$sid $name carries out what it is asked", (example) => {
    expect(readyFor(example).ask(example.request).startsWith(example.response)).toBe(true);
  });

  it.each(examples)("$sid $name answers 13 to every request that is cut short", (example) => {
    const request = bytes(example.request);
    for (let length = 1; length < request.length; length++) {
      const expected = `7f ${example.sid} ${example.shorter?.[length] ?? "13"}`;
      expect([length, readyFor(example).ask(hex(request.subarray(0, length)))]).toEqual([length, expected]);
    }
  });

  it.each(examples)("$sid $name answers 13 to one byte more, unless that has a meaning", (example) => {
    const { longer = "13" } = example;
    const answer = readyFor(example).ask(`${example.request} 00`);
    if (longer === "") expect(answer.startsWith("7f")).toBe(false);
    else expect(answer).toBe(`7f ${example.sid} ${longer}`);
  });

  it.each(examples)("$sid $name answers 7F in a session that it is not in, whatever else is wrong", (example) => {
    for (const session of SESSIONS) {
      if (serviceOf(example).sessions.some((each) => each === NUMBERS[session])) continue;
      const bench = wholeEcu();
      enter(bench, session, true);
      expect(bench.ask(example.request)).toBe(`7f ${example.sid} 7f`);
      expect(bench.ask(example.sid)).toBe(`7f ${example.sid} 7f`);
      expect(answers(bench, example.request, true)).toEqual([]);
    }
  });

  it.each(examples.filter(({ unlocked }) => unlocked))("$sid $name answers 33 while security is locked", (example) => {
    const bench = wholeEcu();
    enter(bench, example.session, false);
    expect(bench.ask(example.request)).toBe(`7f ${example.sid} 33`);
    if (serviceOf(example).unlocked) expect(bench.ask(example.sid)).toBe(`7f ${example.sid} 33`);
  });

  it.each(withSubFunction)(
    "$sid $name answers 12 to sub-functions that it does not have, also with bit 7",
    (example) => {
      for (const octet of ["7f", "ff"]) {
        const request = `${example.sid} ${octet} ${example.request.slice(6)}`;
        expect(readyFor(example).ask(request)).toBe(`7f ${example.sid} 12`);
        expect(answers(readyFor(example), request, true)).toEqual([]);
      }
    },
  );

  it.each(withSubFunction)("$sid $name does the same without an answer when bit 7 says so", (example) => {
    const spoken = readyFor(example);
    const silent = readyFor(example);
    const said = answers(spoken, example.request);
    expect(answers(silent, suppressed(example.request))).toEqual(said.length > 1 ? said : []);
    const { session, unlocked } = spoken.core.save().server.memory;
    expect(silent.core.save().server.memory).toMatchObject({ session, unlocked });
    expect(silent.resets).toEqual(spoken.resets);
  });

  it.each(examples.filter(({ subFunction }) => subFunction !== true))(
    "$sid $name has no sub-function, so bit 7 of its second byte suppresses nothing",
    (example) => {
      const request = bytes(example.request);
      if (request.length > 1) request[1] = 0x80 | (request[1] as number);
      expect(answers(readyFor(example), hex(request))).not.toEqual([]);
    },
  );

  it.each(examples)("$sid $name is answered when it comes functionally, or is not there then", (example) => {
    const bench = readyFor(example);
    const said = answers(bench, example.request, true);
    if (!serviceOf(example).functional) expect(said).toEqual([]);
    else expect(said.at(-1)?.startsWith(example.response)).toBe(true);
  });

  it.each(examples)("$sid $name is answered 21 while another request is carried out, and that goes on", (example) => {
    const bench = wholeEcu();
    enter(bench, "programming", true);
    bench.responses.length = 0;
    expect(bench.send("31 01 ff 00")).toEqual([]);
    expect(bench.send(example.request)).toEqual([`7f ${example.sid} 21`]);
    expect(bench.send(example.request, true)).toEqual([`7f ${example.sid} 21`]);
    expect(bench.send("3e 80", true)).toEqual([]);
    bench.after(PATIENCE);
    expect(bench.responses.at(-1)).toBe("71 01 ff 00 00");
    expect(bench.core.save().server.memory).toMatchObject({ session: 2, unlocked: true });
  });
});

describe("the order of checks", () => {
  it.each([
    ["11 before 13", "default", false, "ba", "7f ba 11"],
    ["7F before 12", "default", false, "27 7f", "7f 27 7f"],
    ["7F before 13", "default", false, "85", "7f 85 7f"],
    ["7F before 33", "extended", false, "34", "7f 34 7f"],
    ["33 of the service before 13", "programming", false, "36", "7f 36 33"],
    ["12 before 13", "default", false, "3e 01 00", "7f 3e 12"],
    ["7E before 13", "default", false, "10 02 00", "7f 10 7e"],
    ["13 before 31", "extended", true, "2e 99", "7f 2e 13"],
    ["31 before 33", "extended", false, "2e 99 99 00", "7f 2e 31"],
    ["33 before the length of the data", "extended", false, "2e 02 00 01", "7f 2e 33"],
    ["13 of the data last", "extended", true, "2e 02 00 01", "7f 2e 13"],
    ["24 before 73", "programming", true, "36 77 00", "7f 36 24"],
    ["31 before 22", "programming", true, "34 00 44 00000000 00001000", "7f 34 31"],
  ] as const)("is %s", (_, session, unlocked, request, response) => {
    const bench = wholeEcu();
    enter(bench, session, unlocked);
    expect(bench.ask(request)).toBe(response);
  });
});

describe("0x78 of a service that stores something", () => {
  it("comes before P2 and makes a suppressed answer come", () => {
    const bench = wholeEcu();
    enter(bench, "programming", true);
    bench.responses.length = 0;
    bench.send("31 81 ff 00");
    bench.after(ms(45));
    expect(bench.responses).toEqual(["7f 31 78"]);
    bench.after(PATIENCE);
    expect(bench.responses).toEqual(["7f 31 78", "71 01 ff 00 00"]);
  });
});
