import { BenchError, UsageError } from "../../emulator/kernel/errors.ts";
import { printable } from "../link/printable.ts";
import { type CommandArgs, type CommandIo, ExitCode, flagOption } from "./command.ts";

/** What the server or a release does wrong is no fault of the command line, nor of this machine. @returns exit code */
export async function beforeServer(args: CommandArgs, io: CommandIo, work: () => Promise<number>): Promise<number> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof BenchError) || error instanceof UsageError) throw error;
    const { code, message } = error;
    io.stderr.write(`otabench: ${code}: ${printable(message)}\n`);
    if (flagOption(args, "json")) io.stdout.write(`${JSON.stringify({ error: { code, message } })}\n`);
    return ExitCode.Failed;
  }
}

/** What whoever waits for a transfer is told of it. */
export interface TransferNotices {
  readonly onProgress: (received: number) => void;
  readonly onRetry: (code: string, reason: string) => void;
}

/**
 * How many bytes have come, on a terminal, drawn again at most ten times a second, and overwritten by what comes next; and
 * on stderr why an exchange came to nothing, so that nobody wonders at what only tries again. Nothing with --quiet.
 */
export function transferNotices(args: CommandArgs, io: CommandIo): TransferNotices {
  const quiet = flagOption(args, "quiet");
  const draws = io.isTty && !quiet && !flagOption(args, "json");
  let drawn = Number.NEGATIVE_INFINITY;
  return {
    onProgress(received) {
      if (!draws || io.now() - drawn < 100) return;
      drawn = io.now();
      io.stdout.write(`\r${received} bytes\r`);
    },
    onRetry(code, reason) {
      if (!quiet) io.stderr.write(`${code}: ${printable(reason)}; trying again\n`);
    },
  };
}
