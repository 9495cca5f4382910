import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { TRACE_EVENTS } from "../../../emulator/kernel/trace-events.ts";
import { fromHex } from "../../../emulator/wire/text.ts";
import { decodeTraceFile, eventsOf } from "../../../hil/record/trace-file.ts";

const page = readFileSync(new URL("../../../docs/protocols/trace.md", import.meta.url), "utf8");

describe("docs/protocols/trace.md", () => {
  it("has every event with its code and fields, and no other", () => {
    const rows = [...page.matchAll(/^\| (\d+) \| `([\w.]+)` \| (.*) \|$/gm)].map(([, code, type, fields]) => [
      Number(code),
      type,
      fields,
    ]);
    const table = Object.entries(TRACE_EVENTS).map(([type, fields], index) => [
      index + 1,
      type,
      Object.entries(fields)
        .map(([field, kind]) => `${field} ${kind}`)
        .join(", "),
    ]);
    expect(rows).toEqual(table);
  });

  it("has an example that is read as it says", () => {
    const [, example = ""] = /## Example\n(.*?)\n## /s.exec(page) ?? [];
    const hex = [...example.matchAll(/^ {4}((?:[0-9a-f]{2}| {1,2}(?=[0-9a-f]))+)/gm)]
      .map(([, digits]) => digits)
      .join("");
    const file = decodeTraceFile(fromHex(hex.replaceAll(" ", "")) as Uint8Array);
    expect(file.meta).toEqual({ scenario: "s.yaml", seed: "7", otabench: "0.1.0" });
    const frame = { node: "ZG_1", id: 0x7e0, flags: 0, data: Uint8Array.of(2, 0x3e, 0x80), duration: 216_000 };
    expect([...eventsOf(file)]).toEqual([
      { type: "run.started", at: 0, source: "bench", scenario: "s.yaml", seed: "7" },
      { type: "can.frame", at: 216_000, source: "can1", ...frame },
    ]);
  });
});
