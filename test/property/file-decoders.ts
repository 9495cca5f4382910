import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CanFlag, type CanFrame } from "../../emulator/wire/can-frame.ts";
import { candumpLines, readCandump } from "../../hil/record/candump.ts";
import { CAPTURE_EPOCH, type CapturedFrame } from "../../hil/record/captured-frame.ts";
import { readPcapng } from "../../hil/record/pcapng-reader.ts";
import { pcapngOfFrames } from "../../hil/record/pcapng-writer.ts";
import { RecordError } from "../../hil/record/record-error.ts";
import { decodeSocketCan, encodeSocketCan } from "../../hil/record/socketcan-packet.ts";
import { decodeTraceFile, eventsOf, writeTraceFile } from "../../hil/record/trace-file.ts";
import { readFirmware } from "../../hil/release/firmware.ts";
import { FirmwareError } from "../../hil/release/firmware-error.ts";
import { readIntelHex } from "../../hil/release/intel-hex.ts";
import { readSRecords } from "../../hil/release/s-record.ts";
import { smallRun } from "../hil/record/small-run.ts";
import type { Decoder } from "./decoder.ts";

const TEXT = new TextEncoder();
const text = (bytes: Uint8Array): string => new TextDecoder("latin1").decode(bytes);
/** The first so many lines of a file of fixtures/firmware. */
const firmware = (name: string, lines: number): Uint8Array =>
  TEXT.encode(`${readFileSync(`fixtures/firmware/${name}`, "latin1").split(/\r?\n/).slice(0, lines).join("\n")}\n`);

/** What it throws is an error of its own kind, with a code and words. */
function named(kind: typeof RecordError | typeof FirmwareError, read: (input: Uint8Array) => void): Decoder["decode"] {
  return (input) => {
    try {
      read(input);
    } catch (error) {
      if (!(error instanceof kind) || !error.code || error.message === "") throw error;
    }
  };
}

const FRAMES: readonly CanFrame[] = [
  { id: 0x7e0, flags: 0, data: Uint8Array.of(0x02, 0x3e, 0x00) },
  { id: 0x18da15f1, flags: CanFlag.Extended | CanFlag.Fd | CanFlag.BitRateSwitch, data: new Uint8Array(64) },
  { id: 0x123, flags: CanFlag.Remote, data: new Uint8Array(4) },
];
const CAPTURED: readonly CapturedFrame[] = FRAMES.map((frame, index) => ({
  time: BigInt(CAPTURE_EPOCH) * 1_000_000_000n + BigInt(index) * 1000n,
  bus: "can1",
  frame,
}));

function traceFile(): Uint8Array {
  const folder = mkdtempSync(join(tmpdir(), "otabench-property-"));
  try {
    const path = join(folder, "run.otbtrace");
    writeTraceFile(path, { scenario: "s", seed: "1", otabench: "2" }, smallRun().bytes());
    return new Uint8Array(readFileSync(path));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Every decoder of hil/record and hil/release, by the name of its function. */
export const FILE_DECODERS: Readonly<Record<string, Decoder>> = {
  readCandump: {
    samples: [TEXT.encode([...candumpLines(CAPTURED)].join(""))],
    decode: named(RecordError, (input) => {
      const frames = [...readCandump([input])];
      const again = [...readCandump([TEXT.encode([...candumpLines(frames)].join(""))])];
      if (again.length !== frames.length) throw new Error("other frames");
    }),
  },
  readPcapng: {
    samples: [Buffer.concat([...pcapngOfFrames(CAPTURED)])],
    decode: named(RecordError, (input) => {
      const inOne = [...readPcapng([input])];
      const half = input.length >> 1;
      const inTwo = [...readPcapng([input.subarray(0, half), input.subarray(half)])];
      if (inOne.length !== inTwo.length) throw new Error("other frames when they come in two pieces");
    }),
  },
  decodeSocketCan: {
    samples: FRAMES.map(encodeSocketCan),
    decode: (input) => {
      const read = decodeSocketCan(input);
      if (read.type === "malformed" && read.reason === "") throw new Error("no reason");
      if (read.type !== "frame") return;
      const again = decodeSocketCan(encodeSocketCan(read.frame));
      if (JSON.stringify(again) !== JSON.stringify(read)) throw new Error("another frame");
    },
  },
  decodeTraceFile: {
    samples: [traceFile()],
    decode: named(RecordError, (input) => {
      for (const { at } of eventsOf(decodeTraceFile(input))) if (at < 0) throw new Error("an event before the run");
    }),
  },
  readFirmware: {
    samples: [firmware("avrgirl-leonardo-blink.hex", 20), firmware("tomu-toboot.s19", 20)],
    decode: named(FirmwareError, (input) => {
      const { data } = readFirmware(input, { sizeMax: 100_000 });
      if (data.length === 0 || data.length > 100_000) throw new Error(`${data.length} bytes`);
    }),
  },
  readIntelHex: {
    samples: [firmware("avrgirl-leonardo-blink.hex", 20), TEXT.encode(":020000021200EA\n:0100000001FE\n:00000001FF\n")],
    decode: named(FirmwareError, (input) => void readIntelHex(text(input))),
  },
  readSRecords: {
    samples: [firmware("tomu-toboot.s19", 20), TEXT.encode("S00600004844521B\nS1051000AABB85\nS9030000FC\n")],
    decode: named(FirmwareError, (input) => void readSRecords(text(input))),
  },
};
