import { UsageError } from "../../emulator/kernel/errors.ts";
import type { WriteEcuImage } from "../release/ecu-image.ts";
import { type Command, type CommandArgs, ExitCode, flagOption, textOption } from "./command.ts";

const DEFAULT_SEED = "1";

/** @param writeEcuImage what does the work */
export const imageCommand = (writeEcuImage: WriteEcuImage): Command => ({
  name: "image",
  summary: "build the signed image of one ECU for somebody else's tester",
  operands: "VEHICLE ECU --version X.Y.Z --firmware FILE --out FILE",
  details: `
Writes header page and code as they are programmed, from address 0x800D2000 on. The ECU takes the image if it was brought
up with the same seed, or the same keys.`,
  options: {
    version: { type: "string", value: "X.Y.Z", help: "what F195 will say" },
    firmware: { type: "string", value: "FILE", help: "the code: Intel HEX, S-record or raw binary" },
    out: { type: "string", short: "o", value: "FILE", help: "file to write to" },
    seed: { type: "string", value: "SEED", help: `the key that signs comes from it (${DEFAULT_SEED})` },
    keys: { type: "string", value: "DIR", help: "use the keys of this folder instead of making some from the seed" },
  },
  async run(args, io) {
    const [vehicle, ecu, extra] = args.positionals;
    if (vehicle === undefined) throw new UsageError("the vehicle file is missing");
    if (ecu === undefined) throw new UsageError("the ECU is missing");
    if (extra !== undefined) throw new UsageError(`"${extra}" is one argument too many`);
    const image = await writeEcuImage({
      vehicle,
      ecu,
      version: needed(args, "version", "X.Y.Z"),
      firmware: needed(args, "firmware", "FILE"),
      out: needed(args, "out", "FILE"),
      seed: textOption(args, "seed") ?? DEFAULT_SEED,
      keysDir: textOption(args, "keys"),
    });
    io.stdout.write(`${flagOption(args, "json") ? JSON.stringify(image) : `${image.file}  ${image.size} bytes`}\n`);
    return ExitCode.Ok;
  },
});

function needed(args: CommandArgs, name: string, value: string): string {
  const text = textOption(args, name);
  if (text === undefined) throw new UsageError(`--${name} ${value} is missing`);
  return text;
}
