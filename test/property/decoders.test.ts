import { readdirSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DECODERS } from "./decoders.ts";
import { strangeBytes } from "./inputs.ts";
import { RUNS, TIMEOUT_MS } from "./runs.ts";

/** Longer than any input should take, and shorter than for ever. */
const PATIENCE_MS = 2_000;
const ROOMS = [
  "emulator/wire",
  "gateway/package",
  "gateway/source/rsu",
  "gateway/source/srup",
  "gateway/source/ssu",
  "hil/record",
  "hil/release",
];
/** How functions are called that make something out of what came from outside. */
const DECODES =
  /^(?:decode|read|open|from|pack|parse|unpack|check(?!sum)|compare|split)|Framer$|(?:Frame|Record)Reader$|Text$|^swpg(?:Plain|Ecu|TargetId)$/;
/** They have such names and take values of our own; or a path, and one of the others reads what is there. */
const OURS = /^(?:versionText|putText|encodeText|identityText|packetKey|packRelease)$/;
const FILES = /^(?:readIfThere|readPieces|readTraceFile|readFirmwareFile)$/;

describe("every decoder", () => {
  it("of the wire, of packages, of messages and of files is in the table", async () => {
    const found: string[] = [];
    for (const room of ROOMS) {
      for (const name of readdirSync(room)) {
        const path = `../../${room}/${name}`;
        const module = (await import(/* @vite-ignore */ path)) as Record<string, unknown>;
        const names = Object.keys(module).filter((each) => typeof module[each] === "function" && DECODES.test(each));
        found.push(...names.filter((each) => !OURS.test(each) && !FILES.test(each)));
      }
    }
    expect(Object.keys(DECODERS)).toEqual(expect.arrayContaining(found));
  });

  it.each(Object.entries(DECODERS))(
    "%s ends for any bytes and throws nothing that it does not name",
    (_, { samples, lengthMax, decode }) => {
      const bytes = strangeBytes(samples, lengthMax);
      const property = fc.property(bytes, (input) => {
        const begin = performance.now();
        decode(input);
        return performance.now() - begin < PATIENCE_MS;
      });
      fc.assert(property, { numRuns: RUNS });
    },
    TIMEOUT_MS,
  );
});
