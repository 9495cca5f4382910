import { UsageError } from "../../emulator/kernel/errors.ts";
import { writeKeys } from "../crypto/key-files.ts";
import { makeKeys } from "../crypto/keys.ts";
import { type Command, ExitCode, flagOption, textOption } from "./command.ts";

export const keysCommand: Command = {
  name: "keys",
  summary: "make the keys and certificates of a bench",
  operands: "--out DIR",
  details: `
Writes PEM files: the keys that sign images (ECDSA P-256, Ed25519, ML-DSA-65), the key that signs packages (RSA-2048), and
a certification authority with a server certificate for localhost. Private keys are readable by their owner only.
Files that exist are never overwritten. Keys made from a seed are no secret: whoever has the seed has the keys.`,
  options: {
    out: { type: "string", short: "o", value: "DIR", help: "folder to write to; made when it is not there" },
    seed: { type: "string", value: "SEED", help: "make the same keys on every machine; random keys without it" },
  },
  async run(args, io) {
    const folder = textOption(args, "out");
    if (folder === undefined) throw new UsageError("--out DIR is missing");
    if (args.positionals.length > 0) throw new UsageError(`"${args.positionals[0]}" is one argument too many`);
    const files = writeKeys(folder, makeKeys(textOption(args, "seed")));
    const text = flagOption(args, "json") ? JSON.stringify({ files }) : files.join("\n");
    io.stdout.write(`${text}\n`);
    return ExitCode.Ok;
  },
};
