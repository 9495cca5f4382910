import { describe, expect, it } from "vitest";
import { ms } from "../../../emulator/kernel/time.ts";
import { defaultUdsConfig } from "../../../emulator/uds/config.ts";
import { servicesOf } from "../../../emulator/uds/services/index.ts";
import { servicesOnPage } from "../../support/ecu-page.ts";
import { EXAMPLES, type Example, enter, SESSIONS, sidOf, wholeEcu } from "./support/every-service.ts";

const PAGE = servicesOnPage();
const NUMBERS = { default: 1, programming: 2, extended: 3 } as const;
const sidText = (sid: number): string => sid.toString(16).padStart(2, "0");
const whole = () => wholeEcu({ powerDown: { afterRun: ms(10), rapidSeconds: 1 } });

describe("the table of services in docs/protocols/ecu.md", () => {
  it("has the services of a server with all that can be configured, and no others", () => {
    const config = wholeEcu().config.uds;
    expect(PAGE.map(({ sid }) => sid)).toEqual([...servicesOf(config).keys()].toSorted((one, other) => one - other));
    expect(PAGE.filter(({ optional }) => !optional).map(({ sid }) => sid)).toEqual(
      [...servicesOf(defaultUdsConfig()).keys()].toSorted((one, other) => one - other),
    );
  });

  it("has the sessions that a tester finds: 7F in all others, 11 for what is not in the table", () => {
    for (const session of SESSIONS) {
      const bench = wholeEcu();
      enter(bench, session, false);
      for (let sid = 0; sid < 256; sid++) {
        const row = PAGE.find((each) => each.sid === sid);
        const there = row?.sessions.includes(NUMBERS[session]);
        const answer = bench.ask(sidText(sid));
        const expected = row === undefined ? "11" : "7f";
        if (there === true) expect([sid, answer]).not.toEqual([sid, expect.stringMatching(/^7f .. (11|7f)$/)]);
        else expect([sid, answer]).toEqual([sid, `7f ${sidText(sid)} ${expected}`]);
      }
    }
  });

  it("says which services want security as a whole", () => {
    const server = servicesOf(wholeEcu().config.uds);
    for (const { sid, security } of PAGE) expect([sid, security === "yes"]).toEqual([sid, server.get(sid)?.unlocked]);
  });

  it("says which services can be asked for functionally", () => {
    const server = servicesOf(wholeEcu().config.uds);
    for (const { sid, functional } of PAGE) expect([sid, functional]).toEqual([sid, server.get(sid)?.functional]);
  });

  it("has the sub-functions that a tester finds: 12 for all others of the 128", () => {
    for (const example of EXAMPLES) {
      const row = PAGE.find(({ sid }) => sid === sidOf(example.request));
      expect([example.name, row?.subFunctions !== undefined]).toEqual([example.name, example.subFunction === true]);
      if (row?.subFunctions === undefined) continue;
      expect([example.name, found(example)]).toEqual([example.name, optionalLeftOut(row.subFunctions, example)]);
    }
  });
});

/** Which sub-functions are not answered 12 (or 7E). */
function found({ request, session, unlocked }: Example): number[] {
  const bench = whole();
  const subFunctions = Array.from({ length: 128 }, (_, index) => index);
  return subFunctions.filter((each) => {
    if (bench.core.running === undefined) bench.untilRunning();
    enter(bench, session, unlocked);
    return !bench.ask(`${request.slice(0, 3)}${sidText(each)}${request.slice(5)}`).endsWith(" 12");
  });
}

/** This ECU authenticates by challenge and response only: 29 01 to 04 are for certificates. */
const optionalLeftOut = (listed: readonly number[], { request }: Example): readonly number[] =>
  sidOf(request) === 0x29 ? listed.filter((each) => each === 0 || each > 4) : listed;
