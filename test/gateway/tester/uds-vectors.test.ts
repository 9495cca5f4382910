import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { seedKey } from "../../../emulator/wire/seed-key.ts";
import { toHex } from "../../../emulator/wire/text.ts";
import { UdsClient, type UdsClientOutput } from "../../../gateway/tester/uds-client.ts";
import { UdsResponseError } from "../../../gateway/tester/uds-errors.ts";
import { blockLengthOf, requestDownload, seedOf, sendKey } from "../../../gateway/tester/uds-messages.ts";
import { bytes, Driven } from "./support/driven.ts";

interface Step {
  readonly req: string;
  readonly rsp: string;
}

const steps = (file: string): readonly Step[] => {
  const path = new URL(`../../../fixtures/vectors/doip/${file}.json`, import.meta.url);
  return (JSON.parse(readFileSync(path, "utf8")) as { steps: Step[] }).steps;
};
const DOIP_LENGTH = 8 + 4;
const uds = (rsp: string): string => (rsp.startsWith("02fd") ? rsp.slice(2 * DOIP_LENGTH) : rsp);

/** What the client makes of one exchange: "response", "sent", or the code of its error; remarks left out. */
function outcome({ req, rsp }: Step): string {
  const client = new Driven(new UdsClient());
  const said: UdsClientOutput[] = [
    ...client.push({ type: "request", data: bytes(req) }, { type: "acknowledged" }),
    ...client.push({ type: "received", data: bytes(uds(rsp)) }),
  ];
  const end = said.find(({ type }) => type !== "transmit" && type !== "noted");
  return end?.type === "failed" ? end.error.code : (end?.type ?? "nothing");
}

describe("exchanges with the originals of the family", () => {
  it.each([
    "uds-01-bootloader-flash",
    "uds-03-bootloader-alfi",
    "uds-10-zgw113-basic",
    "uds-11-zgw113-zone-ota",
    "uds-13-zgw113-doubled-sid",
    "uds-20-zgw100-swpg",
    "uds-21-zgw100-bigendian-rejected",
  ])("are understood, request by request (%s)", (file) => {
    for (const step of steps(file)) {
      const answer = uds(step.rsp);
      const expected = step.req === "3e80" ? "sent" : answer.startsWith("7f") ? /^N/ : "response";
      expect([step.req.slice(0, 8), outcome(step)]).toEqual([step.req.slice(0, 8), expect.stringMatching(expected)]);
    }
  });

  it("give a seed that our formula turns into the key which the bootloader took", () => {
    const flash = steps("uds-01-bootloader-flash");
    const at = flash.findIndex(({ req }) => req.startsWith("2702"));
    const seed = seedOf(bytes((flash[at - 1] as Step).rsp)) as number;
    expect(toHex(sendKey(1, seedKey("tc375Bootloader", seed)))).toBe((flash[at] as Step).req);
    expect((flash[at] as Step).rsp).toBe("6702");
  });

  it("are asked for a download in the same words, where both ways to read the format identifier agree", () => {
    expect(toHex(requestDownload({ address: 0xa0000000, size: 0x600 }))).toBe("340044a000000000000600");
  });

  it("give block lengths of 1024 and 256, and none where the answer is 74 alone", () => {
    expect(blockLengthOf(bytes("74200400"))).toBe(1024);
    expect(blockLengthOf(bytes("74200100"))).toBe(256);
    expect(blockLengthOf(bytes("74"))).toBeInstanceOf(UdsResponseError);
  });
});
