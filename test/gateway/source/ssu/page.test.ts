import { readFileSync, writeFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { AlertCode } from "../../../../gateway/source/ssu/alerts.ts";
import { FrameType } from "../../../../gateway/source/ssu/frame-type.ts";
import { MessageType } from "../../../../gateway/source/ssu/handshake-messages.ts";
import { OptionType } from "../../../../gateway/source/ssu/option-type.ts";
import { examplesText } from "./examples.ts";

const PAGE = "docs/protocols/ssu.md";
const BEGIN = "<!-- examples -->\n";
const END = "<!-- /examples -->";

const [before = "", rest = ""] = readFileSync(PAGE, "utf8").split(BEGIN);
const [examples = "", after = ""] = rest.split(END);

describe("docs/protocols/ssu.md", () => {
  it("has the examples that the code makes", () => {
    const made = examplesText();
    // OTABENCH_WRITE=1 writes them into the page
    if (process.env.OTABENCH_WRITE === "1") writeFileSync(PAGE, `${before}${BEGIN}${made}${END}${after}`);
    else expect(examples).toBe(made);
  });

  it("has a row for every alert, option, message and frame", () => {
    const snake = (name: string): string => name.replace(/(?!^)[A-Z]/g, (letter) => `_${letter}`).toUpperCase();
    const hex = (code: number): string => `0x${code.toString(16).padStart(2, "0")}`;
    const rows = [
      ...Object.entries(AlertCode).map(([name, code]) => `| ${code} | ${snake(name).toLowerCase()} |`),
      ...Object.entries(OptionType).map(([name, code]) => `| ${hex(code)} | ${snake(name)} |`),
      ...Object.entries(MessageType).map(([name, code]) => `| ${code} | ${name} |`),
      ...Object.entries(FrameType).map(([name, code]) => `| ${hex(code)} | ${name.toUpperCase()} |`),
    ];
    expect(rows.filter((row) => !before.includes(row))).toEqual([]);
  });
});
