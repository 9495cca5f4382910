import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { ms, plus, RUN_START } from "../../../emulator/kernel/time.ts";
import { Trace } from "../../../emulator/kernel/trace.ts";
import { RecordError } from "../../../hil/record/record-error.ts";
import {
  decodeTraceFile,
  eventsOf,
  readTraceFile,
  traceDigest,
  writeTraceFile,
} from "../../../hil/record/trace-file.ts";

const META = { scenario: "fixtures/scenarios/first.yaml", seed: "7", otabench: "0.1.0" };

const folder = mkdtempSync(join(tmpdir(), "otabench-trace-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function sampleFile(): Uint8Array {
  const trace = new Trace();
  trace.record(RUN_START, "bench", "run.started", { scenario: META.scenario, seed: META.seed });
  trace.record(plus(RUN_START, ms(1)), "VMG", "gateway.power", { on: 1 });
  const path = join(folder, "sample.otbtrace");
  writeTraceFile(path, META, trace.bytes());
  return new Uint8Array(readFileSync(path));
}

const codeOf = (action: () => unknown): string => {
  try {
    action();
  } catch (error) {
    if (error instanceof RecordError) return error.code;
    throw error;
  }
  return "none";
};

describe("the trace file", () => {
  it("has the bytes that docs/protocols/trace.md tells", () => {
    const record = Uint8Array.of(0, 1, 0x61);
    const path = join(folder, "bytes.otbtrace");
    const length = writeTraceFile(path, { scenario: "s", seed: "1", otabench: "2" }, record);
    const bytes = readFileSync(path);
    const json = '{"scenario":"s","seed":"1","otabench":"2"}';
    expect(bytes.subarray(0, 8).toString("latin1")).toBe("OTBTRACE");
    expect(bytes.readUInt32LE(8)).toBe(1);
    expect(bytes.readUInt32LE(12)).toBe(json.length);
    expect(bytes.readBigUInt64LE(16)).toBe(3n);
    // printf '\0\1a' | sha256sum
    const digest = "6a9662194f63c1d38f6685d65fd9d380e049f447fb13e0b9d9c7a4f2d92015cc";
    expect(bytes.subarray(24, 56).toString("hex")).toBe(digest);
    expect(traceDigest(record)).toBe(digest);
    expect(bytes.subarray(56, 56 + json.length).toString("latin1")).toBe(json);
    expect([...bytes.subarray(56 + json.length)]).toEqual([0, 1, 0x61]);
    expect(bytes.length).toBe(length);
  });

  it("gives back what was written", () => {
    const path = join(folder, "deep/er/again.otbtrace");
    writeTraceFile(path, META, decodeTraceFile(sampleFile()).record);
    const file = readTraceFile(path);
    expect(file.meta).toEqual(META);
    expect([...eventsOf(file)].map(({ type }) => type)).toEqual(["run.started", "gateway.power"]);
    expect(file.digest).toBe(traceDigest(file.record));
  });

  it("is refused as truncated wherever it is cut", () => {
    const bytes = sampleFile();
    for (let length = 1; length < bytes.length; length++) {
      expect(codeOf(() => decodeTraceFile(bytes.subarray(0, length)))).toBe("TRACE_TRUNCATED");
    }
  });

  it("is refused as foreign when it begins otherwise, or is empty", () => {
    expect(codeOf(() => decodeTraceFile(new Uint8Array(0)))).toBe("TRACE_FOREIGN");
    expect(codeOf(() => decodeTraceFile(new TextEncoder().encode("(1.0) can1 7E0#00\n")))).toBe("TRACE_FOREIGN");
  });

  it("is refused when it is of a newer version", () => {
    const bytes = sampleFile();
    bytes[8] = 2;
    expect(codeOf(() => decodeTraceFile(bytes))).toBe("TRACE_VERSION");
  });

  it("is refused as damaged when any one bit of record or digest is another, or bytes follow", () => {
    const bytes = sampleFile();
    const { record } = decodeTraceFile(bytes);
    for (let index = bytes.length - record.length; index < bytes.length; index++) {
      const damaged = bytes.slice();
      damaged[index] = (damaged[index] as number) ^ 0x10;
      expect(codeOf(() => decodeTraceFile(damaged))).toBe("TRACE_DAMAGED");
    }
    const digest = bytes.slice();
    digest[30] = (digest[30] as number) ^ 1;
    expect(codeOf(() => decodeTraceFile(digest))).toBe("TRACE_DAMAGED");
    expect(codeOf(() => decodeTraceFile(Uint8Array.of(...bytes, 0)))).toBe("TRACE_DAMAGED");
  });

  it("is refused as damaged when its JSON is none, or lacks a field", () => {
    const path = join(folder, "meta.otbtrace");
    writeTraceFile(path, { scenario: "s", seed: "1" } as never, new Uint8Array(0));
    expect(codeOf(() => readTraceFile(path))).toBe("TRACE_DAMAGED");
    const bytes = sampleFile();
    bytes[56] = 0x5b;
    expect(codeOf(() => decodeTraceFile(bytes))).toBe("TRACE_DAMAGED");
  });

  it("gives a named error for any bytes behind its magic", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (tail) => {
        const bytes = Uint8Array.of(...new TextEncoder().encode("OTBTRACE"), ...tail);
        expect(codeOf(() => decodeTraceFile(bytes))).not.toBe("none");
      }),
    );
  });

  it("names an event of a newer version as damage", () => {
    const path = join(folder, "newer.otbtrace");
    writeTraceFile(path, META, Uint8Array.of(0, 1, 0x61, 0x7f, 0, 0));
    expect(codeOf(() => [...eventsOf(readTraceFile(path))])).toBe("TRACE_DAMAGED");
  });

  it("is named when it is not there", () => {
    expect(() => readTraceFile(join(folder, "nothing"))).toThrow(expect.objectContaining({ code: "FILE_UNREADABLE" }));
    writeFileSync(join(folder, "file"), "");
    expect(() => writeTraceFile(join(folder, "file/below"), META, new Uint8Array(0))).toThrow(
      expect.objectContaining({ code: "FILE_UNWRITABLE" }),
    );
  });
});
