import { describe, expect, it } from "vitest";
import { InvariantError, LinkError, UsageError } from "../../../emulator/kernel/errors.ts";
import { runCli } from "../../../hil/cli/cli.ts";
import type { Command, CommandArgs } from "../../../hil/cli/command.ts";
import { RecordError } from "../../../hil/record/record-error.ts";
import { keptIo } from "./io.ts";

let received: CommandArgs | undefined;
const echo: Command = {
  name: "echo",
  summary: "say something",
  operands: "WORD...",
  details: "\n  Twice.",
  options: {
    loud: { type: "boolean", short: "l", help: "louder" },
    to: { type: "string", value: "WHOM", help: "to whom" },
  },
  run: (args) => {
    received = args;
    return Promise.resolve(args.positionals[0] === "fail" ? 1 : 0);
  },
};

/** A command that fails like that. */
const failing = (error: unknown): Command => ({ ...echo, name: "break", run: () => Promise.reject(error) });

async function run(argv: readonly string[], error?: unknown) {
  const io = keptIo();
  const code = await runCli({ version: "1.2.3", commands: [echo, failing(error)] }, argv, io);
  return { code, out: io.out(), err: io.err() };
}

describe("otabench", () => {
  it.each([["--help"], ["-h"], ["help"]])("lists its commands and exit codes with %s", async (flag) => {
    const { code, out, err } = await run([flag]);
    expect([code, err]).toEqual([0, ""]);
    expect(out).toMatch(/^ {2}echo {3}say something$/m);
    expect(out).toMatch(/^ {2}1 {2}the update failed/m);
  });

  it("says how it is used, with exit code 2, when no command is given", async () => {
    const { code, out, err } = await run([]);
    expect([code, out]).toEqual([2, ""]);
    expect(err).toContain("Usage: otabench <command>");
  });

  it("tells its version", async () => {
    expect(await run(["--version"])).toEqual({ code: 0, out: "1.2.3\n", err: "" });
  });

  it.each([[["echo", "--help"]], [["echo", "word", "-h"]], [["help", "echo"]]])(
    "explains a command with %j",
    async (argv) => {
      const { code, out } = await run(argv);
      expect(code).toBe(0);
      expect(out).toContain("Usage: otabench echo WORD... [options]\n\n  Twice.\n");
      expect(out).toMatch(/^ {2}-l, --loud {5}louder$/m);
      expect(out).toMatch(/^ {6}--to WHOM {2}to whom$/m);
      expect(out).toMatch(/^ {6}--json {5}/m);
    },
  );

  it("hands options and operands to the command, and its exit code back", async () => {
    expect((await run(["echo", "fail", "--to", "me", "-l", "--", "--odd"])).code).toBe(1);
    expect(received?.positionals).toEqual(["fail", "--odd"]);
    expect({ ...received?.values }).toEqual({ to: "me", loud: true });
    expect((await run(["echo"])).code).toBe(0);
  });

  it.each([
    [["nothing"], 'there is no command "nothing"; see otabench --help'],
    [["echo", "--shout"], "Unknown option '--shout'; see otabench echo --help"],
    [["echo", "--to"], "Option '--to <value>' argument missing; see otabench echo --help"],
    [["echo", "--loud=yes"], "Option '-l, --loud' does not take an argument; see otabench echo --help"],
  ])("refuses %j with exit code 2", async (argv, message) => {
    expect(await run(argv)).toEqual({ code: 2, out: "", err: `otabench: USAGE: ${message}\n` });
  });

  it.each([
    ["a usage error", new UsageError("no such file"), 2, "USAGE"],
    ["a file that makes no sense", new RecordError("TRACE_FOREIGN", "no trace", "clause"), 2, "TRACE_FOREIGN"],
    ["a failure of the world", new LinkError("LINK_REFUSED", "port taken"), 3, "LINK_REFUSED"],
    ["a bug that shows itself", new InvariantError("stuck"), 3, "INVARIANT"],
    ["any other error", new TypeError("x is not a function"), 3, "INTERNAL"],
    ["what is no error at all", "a text", 3, "INTERNAL"],
  ])("prints %s in one line", async (_what, error, exitCode, code) => {
    const message = error instanceof Error ? error.message : error;
    const { code: seen, out, err } = await run(["break"], error);
    expect([seen, out, err]).toEqual([exitCode, "", `otabench: ${code}: ${message}\n`]);
  });

  it("prints an error as JSON too with --json", async () => {
    const { code, out, err } = await run(["break", "--json"], new LinkError("LINK_REFUSED", "port taken"));
    expect(code).toBe(3);
    expect(JSON.parse(out)).toEqual({ error: { code: "LINK_REFUSED", message: "port taken" } });
    expect(err).toBe("otabench: LINK_REFUSED: port taken\n");
  });

  it("prints a stack trace with --debug only", async () => {
    const { err } = await run(["break", "--debug"], new InvariantError("stuck"));
    expect(err).toMatch(/^otabench: INVARIANT: stuck\nInvariantError: stuck\n {4}at /);
  });
});
