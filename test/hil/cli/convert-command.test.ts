import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runCli } from "../../../hil/cli/cli.ts";
import { convertCommand } from "../../../hil/cli/convert-command.ts";
import { candumpLines } from "../../../hil/record/candump.ts";
import { framesOf } from "../../../hil/record/captured-frame.ts";
import { pcapngOfTrace } from "../../../hil/record/pcapng-writer.ts";
import { traceDigest, writeTraceFile } from "../../../hil/record/trace-file.ts";
import { smallRun } from "../record/small-run.ts";
import { keptIo } from "./io.ts";

const folder = mkdtempSync(join(tmpdir(), "otabench-convert-"));
const file = (name: string): string => join(folder, name);
const trace = smallRun();
const candump = [...candumpLines(framesOf(trace.events()))].join("");
const pcapng = Buffer.concat([...pcapngOfTrace(trace.events())]);

beforeAll(() => {
  writeTraceFile(file("run.otbtrace"), { scenario: "small", seed: "1", otabench: "0.1.0" }, trace.bytes());
  writeFileSync(file("run.log"), candump);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function convert(...argv: string[]) {
  const io = keptIo();
  const code = await runCli({ version: "0", commands: [convertCommand] }, ["convert", ...argv], io);
  return { code, out: io.out(), err: io.err() };
}

describe("otabench convert", () => {
  it("turns a trace into a candump log, a capture and JSON lines, by extension", async () => {
    for (const name of ["a.log", "a.pcapng", "a.ndjson"]) {
      const { code, out } = await convert(file("run.otbtrace"), file(name));
      expect([code, out]).toEqual([0, `${file(name)}: ${readFileSync(file(name)).length} bytes\n`]);
    }
    expect(readFileSync(file("a.log"), "utf8")).toBe(candump);
    expect(readFileSync(file("a.pcapng")).equals(pcapng)).toBe(true);
    const events = readFileSync(file("a.ndjson"), "utf8").trimEnd().split("\n");
    expect(events).toHaveLength(trace.count);
    expect(events[0]).toBe('{"type":"run.started","at":0,"source":"bench","scenario":"small","seed":"1"}');
    expect(events[1]).toMatch(/^\{"type":"can.frame","at":\d+,"source":"can2",.*"data":"021003[c]{10}"/);
  });

  it("sums a trace up on standard output when nothing else is said", async () => {
    const { code, out } = await convert(file("run.otbtrace"));
    expect(code).toBe(0);
    expect(out).toContain(`digest    ${traceDigest(trace.bytes())}\n`);
    expect(out).toMatch(/^can1 {2}167 frames, 1336 bytes, 0\.0\d+ s on the wire \(9\d\.\d %\)$/m);
    expect(out).toMatch(/^ {9}2 {2}stream\.opened$/m);
    expect(out).toContain("verdict   passed\n");
  });

  it("turns a candump log into a capture and back without loss", async () => {
    await convert(file("run.log"), file("b.pcapng"));
    const { code } = await convert(file("b.pcapng"), file("b.log"));
    expect(code).toBe(0);
    expect(readFileSync(file("b.log"), "utf8")).toBe(candump);
    const { out } = await convert(file("b.pcapng"), "--to", "candump");
    expect(out).toBe(candump);
  });

  it("tells what it left out", async () => {
    const { err, out } = await convert("--json", file("a.pcapng"), file("c.log"));
    const { leftOut, ...rest } = JSON.parse(out) as { leftOut: number };
    expect(rest).toEqual({ output: file("c.log"), format: "candump", bytes: candump.length });
    expect(leftOut).toBe(50);
    expect(err).toBe(`${leftOut} packets are not of CAN, or have no time, and were left out\n`);
  });

  it("takes the epoch that is given", async () => {
    const { out } = await convert(file("run.otbtrace"), "--to", "candump", "--epoch", "5");
    expect(out).toMatch(/^\(5\.0\d{5}\) can/);
  });

  it("goes by the first bytes of the input, or by what --from says", async () => {
    writeFileSync(file("odd.txt"), candump);
    expect((await convert(file("odd.txt"), file("d.pcapng"))).code).toBe(0);
    const { code, err } = await convert(file("odd.txt"), file("d.log"), "--from", "pcapng");
    expect([code, err]).toEqual([2, "otabench: PCAPNG_FOREIGN: this is no pcapng file\n"]);
  });

  it.each([
    ["no file", [], "USAGE"],
    ["three files", ["a", "b", "c"], "USAGE"],
    ["a file that is not there", ["nothing.log", "x.pcapng"], "FILE_UNREADABLE"],
    ["a folder", [".", "x.pcapng"], "FILE_UNREADABLE"],
    ["an unknown output format", ["run.log", "x.doc"], "USAGE"],
    ["a conversion that there is not", ["run.log", "x.ndjson"], "USAGE"],
    ["a capture on standard output", ["run.log", "--to", "pcapng"], "USAGE"],
    ["output over input", ["run.log", "run.log", "--to", "pcapng"], "USAGE"],
    ["an epoch that is no number", ["run.otbtrace", "--epoch", "today"], "USAGE"],
  ])("refuses %s with exit code 2", async (_what, argv, expected) => {
    const { code, err } = await convert(...argv.map((arg) => (arg.includes(".") ? file(arg) : arg)));
    expect(code).toBe(2);
    expect(err).toMatch(new RegExp(`^otabench: ${expected}: .+\\n$`));
  });

  it("leaves nothing behind when the input turns out to be damaged, and keeps what was there", async () => {
    writeFileSync(file("bad.log"), `${candump}nonsense\n`);
    writeFileSync(file("good.pcapng"), "precious");
    const { code, err } = await convert(file("bad.log"), file("good.pcapng"));
    expect(code).toBe(2);
    expect(err).toMatch(/^otabench: CANDUMP_MALFORMED: line \d+: /);
    expect(readFileSync(file("good.pcapng"), "utf8")).toBe("precious");
    expect(readdirSync(folder).filter((name) => name.endsWith(".part"))).toEqual([]);
    expect(existsSync(file("x.pcapng"))).toBe(false);
  });
});
