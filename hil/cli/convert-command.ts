import { resolve } from "node:path";
import { UsageError } from "../../emulator/kernel/errors.ts";
import { candumpLines, readCandump } from "../record/candump.ts";
import { CAPTURE_EPOCH, framesOf } from "../record/captured-frame.ts";
import { readPcapng } from "../record/pcapng-reader.ts";
import { pcapngOfFrames, pcapngOfTrace } from "../record/pcapng-writer.ts";
import { readPieces, writePieces } from "../record/pieces.ts";
import { eventsOf, readTraceFile, TRACE_EXTENSION, TRACE_MAGIC } from "../record/trace-file.ts";
import { ndjsonLines, summaryLines } from "../record/trace-text.ts";
import { type Command, type CommandArgs, ExitCode, flagOption, textOption } from "./command.ts";

type Pieces = Iterable<Uint8Array | string>;
interface Input {
  readonly path: string;
  /** Unix time of the start of a virtual run, seconds. */
  readonly epoch: number;
  /** Told of each packet or line that the output has no place for. */
  readonly leftOut: () => void;
}

const trace = (path: string) => {
  const file = readTraceFile(path);
  return { file, events: eventsOf(file) };
};

type Conversion = (input: Input) => Pieces;

/** Every conversion there is, by the two formats. */
const CONVERSIONS: ReadonlyMap<string, Conversion> = new Map<string, Conversion>([
  ["trace candump", ({ path, epoch }) => candumpLines(framesOf(trace(path).events, epoch))],
  ["trace pcapng", ({ path, epoch }) => pcapngOfTrace(trace(path).events, { epoch })],
  ["trace ndjson", ({ path }) => ndjsonLines(trace(path).events)],
  [
    "trace summary",
    ({ path }) => {
      const { file, events } = trace(path);
      return summaryLines(file, events);
    },
  ],
  ["candump pcapng", ({ path }) => pcapngOfFrames(readCandump(readPieces(path)))],
  ["pcapng candump", ({ path, leftOut }) => candumpLines(readPcapng(readPieces(path), leftOut))],
]);

/** What stands for standard output among the operands. */
const STANDARD_OUTPUT = "-";

const EXTENSIONS: readonly (readonly [extension: string, format: string])[] = [
  [TRACE_EXTENSION, "trace"],
  [".log", "candump"],
  [".candump", "candump"],
  [".pcapng", "pcapng"],
  [".ndjson", "ndjson"],
  [".jsonl", "ndjson"],
  [".txt", "summary"],
];

export const convertCommand: Command = {
  name: "convert",
  summary: "turn a trace or a capture into another format",
  operands: "INPUT [OUTPUT]",
  details: `
  trace (${TRACE_EXTENSION})        to candump, pcapng, ndjson or summary
  candump (.log, .candump)   to pcapng
  pcapng (.pcapng)           to candump
The format of the input is known by its first bytes, that of the output by its extension (.ndjson, .jsonl: ndjson;
.txt: summary). Without OUTPUT, or with "-", text goes to standard output; a trace becomes a summary then.`,
  options: {
    from: { type: "string", value: "FORMAT", help: "trace, candump or pcapng" },
    to: { type: "string", value: "FORMAT", help: "candump, pcapng, ndjson or summary" },
    epoch: { type: "string", value: "SECONDS", help: `Unix time at which a virtual run begins (${CAPTURE_EPOCH})` },
  },
  async run(args, io) {
    const { path, output, to, convert } = planOf(args);
    let leftOut = 0;
    const pieces = convert({ path, epoch: epochOf(args), leftOut: () => leftOut++ });
    if (output === STANDARD_OUTPUT) {
      for (const piece of pieces) io.stdout.write(piece as string);
    } else {
      const bytes = writePieces(output, pieces);
      const result = { output, format: to, bytes, leftOut };
      io.stdout.write(flagOption(args, "json") ? `${JSON.stringify(result)}\n` : `${output}: ${bytes} bytes\n`);
    }
    if (leftOut > 0) io.stderr.write(`${leftOut} packets are not of CAN, or have no time, and were left out\n`);
    return ExitCode.Ok;
  },
};

interface Plan {
  readonly path: string;
  readonly output: string;
  readonly to: string;
  readonly convert: Conversion;
}

/** @throws {UsageError} for a conversion that there is not */
function planOf(args: CommandArgs): Plan {
  const [path, output = STANDARD_OUTPUT, extra] = args.positionals;
  if (path === undefined) throw new UsageError("the file to be converted is missing");
  if (extra !== undefined) throw new UsageError(`"${extra}" is one argument too many`);
  const from = textOption(args, "from") ?? sniff(path) ?? byExtension(path) ?? "a file of unknown format";
  const to = textOption(args, "to") ?? (output === STANDARD_OUTPUT ? "summary" : byExtension(output)) ?? "that";
  const convert = CONVERSIONS.get(`${from} ${to}`);
  if (convert === undefined) throw new UsageError(`can't convert ${from} to ${to}; see otabench convert --help`);
  if (output !== STANDARD_OUTPUT && resolve(output) === resolve(path)) {
    throw new UsageError("input and output are the same file");
  }
  if (output === STANDARD_OUTPUT && to === "pcapng") {
    throw new UsageError("a pcapng capture is not text: name an output file");
  }
  return { path, output, to, convert };
}

/** The format, told by the first bytes. */
function sniff(path: string): string | undefined {
  for (const piece of readPieces(path)) {
    const start = Buffer.from(piece.subarray(0, TRACE_MAGIC.length)).toString("latin1");
    if (start === TRACE_MAGIC) return "trace";
    if (start.startsWith("\n\r\r\n")) return "pcapng";
    if (/^\s*\(\d/.test(start)) return "candump";
    break;
  }
  return undefined;
}

const byExtension = (path: string): string | undefined =>
  EXTENSIONS.find(([extension]) => path.toLowerCase().endsWith(extension))?.[1];

function epochOf(args: CommandArgs): number {
  const text = textOption(args, "epoch");
  if (text === undefined) return CAPTURE_EPOCH;
  if (!/^\d{1,10}$/.test(text)) throw new UsageError(`--epoch "${text}" is no number of seconds`);
  return Number(text);
}
