import { describe, expect, it } from "vitest";
import { ms } from "../../../emulator/kernel/time.ts";
import { fromHex, toHex } from "../../../emulator/wire/text.ts";
import { IsoTpPair } from "./isotp-pair.ts";
import { counting } from "./machine-driver.ts";

const FRAMES = {
  SF: "0107",
  FF: "1014000102030405",
  CF: "21060708090a0b0c",
  FC: "300000",
  reserved: "4011223344556677",
} as const;
const LAST_CF = "220d0e0f10111213";
const ANSWER = counting(15).map((value) => 0xa0 + value);
const STATES = ["idle", "sending", "receiving", "both"] as const;
type State = (typeof STATES)[number];
type Kind = keyof typeof FRAMES;

const sends = (state: State): boolean => state === "sending" || state === "both";
const receives = (state: State): boolean => state === "receiving" || state === "both";

/** An ECU in that state; its peer is nobody but this test. */
class Scene {
  readonly pair = new IsoTpPair();

  constructor(state: State) {
    const { pair } = this;
    pair.testerPort.attach({ received: () => undefined, transmitted: () => undefined, aborted: () => undefined });
    if (sends(state)) pair.ecuChannel.send(ANSWER);
    pair.run(ms(2));
    if (receives(state)) this.give("FF");
  }

  /** Puts a frame on the bus; answers what the ECU's user heard of it, and which frames the ECU sent. */
  give(frame: Kind | "last CF"): { readonly heard: readonly string[]; readonly sent: readonly string[] } {
    const { pair } = this;
    const frames = (): string[] =>
      pair.events("can.frame").flatMap(({ node, data }) => (node === "ecu" ? [toHex(data.subarray(0, 3))] : []));
    const before = { heard: pair.ecuHears.short.length, sent: frames().length };
    const data = fromHex(frame === "last CF" ? LAST_CF : FRAMES[frame]) as Uint8Array;
    pair.testerPort.transmit({ id: 0x7e0, flags: 0, data });
    pair.run(ms(2));
    return { heard: pair.ecuHears.short.slice(before.heard), sent: frames().slice(before.sent) };
  }
}

const IGNORED = { heard: [], sent: [] };
const ENDED = "receiving N_UNEXP_PDU";
/** Rest of the answer. */
const CFS = ["21a6a7", "22adae"];

/** ISO 15765-2:2016, 9.8.3, Table 24, full duplex: what comes while an N_PDU of its kind was not to be expected. */
const TABLE: Readonly<Record<State, Readonly<Record<Kind, { heard: readonly string[]; sent: readonly string[] }>>>> = {
  idle: {
    SF: { heard: ["message"], sent: [] },
    FF: { heard: [], sent: ["300000"] },
    CF: IGNORED,
    FC: IGNORED,
    reserved: IGNORED,
  },
  sending: {
    SF: { heard: ["message"], sent: [] },
    FF: { heard: [], sent: ["300000"] },
    CF: IGNORED,
    FC: { heard: ["sent"], sent: CFS },
    reserved: IGNORED,
  },
  receiving: {
    SF: { heard: [ENDED, "message"], sent: [] },
    FF: { heard: [ENDED], sent: ["300000"] },
    CF: IGNORED, // it was expected: nothing is said before the message is whole
    FC: IGNORED,
    reserved: IGNORED,
  },
  both: {
    SF: { heard: [ENDED, "message"], sent: [] },
    FF: { heard: [ENDED], sent: ["300000"] },
    CF: IGNORED,
    FC: { heard: ["sent"], sent: CFS },
    reserved: IGNORED,
  },
};
const CELLS = STATES.flatMap((state) => (Object.keys(FRAMES) as Kind[]).map((kind) => [kind, state] as const));

describe("the table of unexpected N_PDUs", () => {
  it.each(CELLS)("%s while %s", (kind, state) => {
    expect(new Scene(state).give(kind)).toEqual(TABLE[state][kind]);
  });

  it.each(CELLS)("%s while %s leaves alone what it does not end", (kind, state) => {
    const scene = new Scene(state);
    scene.give(kind);
    if (kind !== "CF") scene.give("CF");
    scene.give("last CF");
    if (kind !== "FC") scene.give("FC");
    const { messages, short } = scene.pair.ecuHears;
    const whole = kind === "FF" || (receives(state) && kind !== "SF");
    expect(messages.some((message) => toHex(message) === toHex(counting(20)))).toBe(whole);
    expect(short.includes("sent")).toBe(sends(state));
  });

  it("an awaited CF with a wrong SN ends the reception with N_WRONG_SN, and leaves the sending alone", () => {
    const scene = new Scene("both");
    expect(scene.give("last CF")).toEqual({ heard: ["receiving N_WRONG_SN"], sent: [] });
    expect(scene.give("FC")).toEqual({ heard: ["sent"], sent: CFS });
  });
});
