import { parseArgs } from "node:util";
import { BenchError, PeerError, UsageError } from "../../emulator/kernel/errors.ts";
import { printable, printableLines } from "../link/printable.ts";
import { type Command, type CommandArgs, type CommandIo, ExitCode } from "./command.ts";
import { COMMON_OPTIONS, commandHelp, programHelp } from "./help.ts";

/** What the program `otabench` is made of. */
export interface Program {
  readonly version: string;
  readonly commands: readonly Command[];
}

/**
 * Runs one command line. Never throws: what goes wrong is printed as `otabench: CODE: message`, and with --json as an
 * object on standard output too.
 * @param argv without the names of Node and script @returns one of {@link ExitCode}
 */
export async function runCli(program: Program, argv: readonly string[], io: CommandIo): Promise<number> {
  try {
    return await dispatch(program, argv, io);
  } catch (error) {
    return report(error, argv, io);
  }
}

async function dispatch({ version, commands }: Program, argv: readonly string[], io: CommandIo): Promise<number> {
  const [name, ...rest] = argv;
  if (name === undefined || name === "--help" || name === "-h" || name === "help") {
    const command = commands.find((candidate) => candidate.name === rest[0]);
    (name === undefined ? io.stderr : io.stdout).write(command ? commandHelp(command) : programHelp(commands));
    return name === undefined ? ExitCode.Usage : ExitCode.Ok;
  }
  if (name === "--version" || name === "-V") {
    io.stdout.write(`${version}\n`);
    return ExitCode.Ok;
  }
  const command = commands.find((candidate) => candidate.name === name);
  if (command === undefined) {
    throw new UsageError(`there is no command "${name}"; see otabench --help`);
  }
  const args = parse(command, rest);
  if (args.values.help === true) {
    io.stdout.write(commandHelp(command));
    return ExitCode.Ok;
  }
  return command.run(args, io);
}

function parse(command: Command, argv: readonly string[]): CommandArgs {
  const options = Object.fromEntries(
    Object.entries({ ...command.options, ...COMMON_OPTIONS }).map(([name, option]) => [
      name,
      "short" in option && option.short !== undefined
        ? { type: option.type, short: option.short }
        : { type: option.type },
    ]),
  );
  try {
    const { values, positionals } = parseArgs({ args: [...argv], options, allowPositionals: true, strict: true });
    return { values: values as CommandArgs["values"], positionals };
  } catch (cause) {
    // parseArgs puts its advice behind the first sentence
    const [sentence] = (cause as Error).message.split(". ");
    throw new UsageError(`${sentence}; see otabench ${command.name} --help`, { cause });
  }
}

function report(error: unknown, argv: readonly string[], io: CommandIo): number {
  const code = error instanceof BenchError ? error.code : "INTERNAL";
  const message = error instanceof Error ? error.message : String(error);
  const shown = error instanceof UsageError ? printableLines(message) : printable(message); // a server may have worded it
  io.stderr.write(`otabench: ${code}: ${shown}\n`);
  if (argv.includes("--debug") && error instanceof Error) io.stderr.write(`${error.stack}\n`);
  if (argv.includes("--json")) io.stdout.write(`${JSON.stringify({ error: { code, message } })}\n`);
  return error instanceof UsageError || error instanceof PeerError ? ExitCode.Usage : ExitCode.Internal;
}
