import type { Command, CommandOption } from "./command.ts";

/** Options that every command has. */
export const COMMON_OPTIONS = {
  json: { type: "boolean", help: "print the result, or the error, as JSON on standard output" },
  debug: { type: "boolean", help: "print the stack trace of an error" },
  help: { type: "boolean", short: "h", help: "print this text" },
} as const satisfies Readonly<Record<string, CommandOption>>;

const EXIT_CODES = `Exit codes:
  0  it went well
  1  the update failed, or an expectation of the scenario was not met
  2  the command line, or a file named on it, can't be used
  3  the machine did not give what was needed, or otabench itself is broken
`;

export function programHelp(commands: readonly Command[]): string {
  const width = Math.max(...commands.map(({ name }) => name.length));
  const list = commands.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}\n`).join("");
  return `otabench: a test bench for vehicle firmware updates

Usage: otabench <command> [options]
       otabench <command> --help
       otabench --version

Commands:
${list}
${EXIT_CODES}`;
}

export function commandHelp(command: Command): string {
  const rows = Object.entries({ ...command.options, ...COMMON_OPTIONS }).map(
    ([name, option]) => [optionText(name, option), option.help] as const,
  );
  const width = Math.max(...rows.map(([left]) => left.length));
  const list = rows.map(([left, help]) => `  ${left.padEnd(width)}  ${help}\n`).join("");
  const details = command.details === undefined ? "" : `\n${command.details.replace(/^\n/, "")}\n`;
  return `${command.summary}

Usage: otabench ${command.name} ${command.operands}${command.operands === "" ? "" : " "}[options]
${details}
Options:
${list}
${EXIT_CODES}`;
}

function optionText(name: string, { short, value }: CommandOption): string {
  return `${short === undefined ? "    " : `-${short}, `}--${name}${value === undefined ? "" : ` ${value}`}`;
}
