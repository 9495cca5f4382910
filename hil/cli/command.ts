/** What a command line ends with. */
export const ExitCode = {
  Ok: 0,
  /** The update failed, or something the scenario expects was not met. */
  Failed: 1,
  /** The command line, or a file named on it, can't be used. */
  Usage: 2,
  /** The machine did not give what was needed, or the bench itself is broken. */
  Internal: 3,
} as const;

/** One option of a command. */
export interface CommandOption {
  readonly type: "string" | "boolean";
  readonly short?: string;
  /** What stands for the value in the help text, such as "DIR". */
  readonly value?: string;
  readonly help: string;
}

/** What is left of a command line when it has been read. */
export interface CommandArgs {
  readonly values: Readonly<Record<string, string | boolean | undefined>>;
  readonly positionals: readonly string[];
}

/** What a command may use of the process it runs in. */
export interface CommandIo {
  readonly stdout: { write(text: string): unknown };
  readonly stderr: { write(text: string): unknown };
  /** Standard output is a terminal, so lines can be drawn again. */
  readonly isTty: boolean;
  /** Width of the terminal, characters. */
  readonly columns: number;
  /** Wall clock, milliseconds since any fixed point. */
  now(): number;
}

/** One word behind `otabench`. */
export interface Command {
  readonly name: string;
  /** One line for the list of commands. */
  readonly summary: string;
  /** What follows the name, such as "SCENARIO". */
  readonly operands: string;
  /** Further paragraphs of `otabench <command> --help`. */
  readonly details?: string;
  readonly options: Readonly<Record<string, CommandOption>>;
  /** @returns one of {@link ExitCode} @throws {BenchError} which the caller prints */
  run(args: CommandArgs, io: CommandIo): Promise<number>;
}

/** The value of a string option. */
export function textOption(args: CommandArgs, name: string): string | undefined {
  const value = args.values[name];
  return typeof value === "string" ? value : undefined;
}

export const flagOption = (args: CommandArgs, name: string): boolean => args.values[name] === true;
