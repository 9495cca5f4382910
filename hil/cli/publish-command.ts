import { UsageError } from "../../emulator/kernel/errors.ts";
import type { PublishRelease } from "../scenario/publish-release.ts";
import { type Command, ExitCode, flagOption, textOption } from "./command.ts";

/** @param publishRelease what does the work */
export const publishCommand = (publishRelease: PublishRelease): Command => ({
  name: "publish",
  summary: "build a release of a scenario for somebody else's server",
  operands: "SCENARIO --out DIR",
  details: `
Writes firmware_v2.bin, a signed vehicle package, and firmware_v2.bin.sig, its detached signature (RSA PKCS#1 v1.5 with
SHA-256): what the server of the https system has to serve.`,
  options: {
    out: { type: "string", short: "o", value: "DIR", help: "folder to write to" },
    release: { type: "string", value: "NAME", help: "which release of the scenario; the first one if not given" },
    keys: { type: "string", value: "DIR", help: "use the keys of this folder instead of making some from the seed" },
    seed: { type: "string", value: "SEED", help: "replaces the seed of the scenario" },
  },
  async run(args, io) {
    const [path, extra] = args.positionals;
    const outDir = textOption(args, "out");
    if (path === undefined) throw new UsageError("the scenario file is missing");
    if (extra !== undefined) throw new UsageError(`"${extra}" is one argument too many`);
    if (outDir === undefined) throw new UsageError("--out DIR is missing");
    const [release, keysDir, seed] = ["release", "keys", "seed"].map((name) => textOption(args, name));
    const files = await publishRelease(path, outDir, { release, keysDir, seed });
    io.stdout.write(`${flagOption(args, "json") ? JSON.stringify({ files }) : files.join("\n")}\n`);
    return ExitCode.Ok;
  },
});
