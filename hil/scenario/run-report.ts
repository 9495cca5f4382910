import type { Trace } from "../../emulator/kernel/trace.ts";
import type { ForeignServer } from "./server-side.ts";

/** How a run, or one step of it, came out. */
export type Verdict = "passed" | "failed";

/** What became of one ECU, judged by what it answered when it was asked last. */
export type EcuVerdict = "updated" | "unchanged" | "rolledBack" | "failed";

/** One ECU at the end of a run. */
export interface EcuReport {
  /** "ECU_011" */
  readonly ecu: string;
  /** What it answered before and after; empty when it did not answer. */
  readonly versionBefore: string;
  readonly versionAfter: string;
  /** Length of what was programmed, bytes. */
  readonly bytes: number;
  /** Frames on its bus to it and from it. */
  readonly frames: number;
  /** How long those frames took up the bus, virtual milliseconds. */
  readonly wireMs: number;
  /** From its first request to its last answer, wall clock. */
  readonly wallMs: number;
  readonly verdict: EcuVerdict;
}

/** One step or expectation of the scenario. */
export interface StepReport {
  readonly name: string;
  readonly verdict: Verdict;
  readonly expected: string;
  readonly observed: string;
  /** The stable code of what went wrong, and its sentence. */
  readonly code?: string;
  readonly reason?: string;
}

/** Where the package came from. */
export interface SourceReport {
  /** "https" and so on. */
  readonly system: string;
  /** The server, as the device addressed it. */
  readonly peer: string;
  readonly bytes: number;
  /** Requests that came to nothing. */
  readonly retries: number;
  /** Wall clock. */
  readonly ms: number;
  /** Packets that the transport sent again; null where it does not tell. No part of the digest. */
  readonly retransmissions: number | null;
}

/** Everything a run has to say at its end: plain data, printed as it is by `otabench run --json`. */
export interface RunReport {
  /** Path of the scenario file, as it was given. */
  readonly scenario: string;
  readonly seed: string;
  readonly verdict: Verdict;
  /** Why it failed; absent when it passed. */
  readonly code?: string;
  readonly reason?: string;
  readonly wallMs: number;
  readonly virtualMs: number;
  /** SHA-256 of the record, hexadecimal: equal runs have equal digests. */
  readonly traceDigest: string;
  /** Absent when nothing was written. */
  readonly traceFile?: string;
  readonly captureFile?: string;
  readonly candumpFile?: string;
  /** The command that does the same run again. */
  readonly replayCommand: string;
  readonly ecus: readonly EcuReport[];
  readonly steps: readonly StepReport[];
  readonly source?: SourceReport;
}

export interface RunOptions {
  /** Replaces the seed in the scenario file. */
  readonly seed?: string;
  /** Where trace and captures go; nothing is written without it. */
  readonly outDir?: string;
  /** Folder with keys to be used instead of those made from the seed. */
  readonly keysDir?: string;
  /** Somebody else's server, which has what is to be pulled; then none is started. */
  readonly server?: ForeignServer;
  /** Path of a trace: the server's answers are taken from it, and no server is started. */
  readonly from?: string;
  /** Called once, before the run starts, so that a live view can listen. */
  readonly onTrace?: (trace: Trace) => void;
}

/**
 * Runs one scenario file. A failed update is a report, not an exception.
 * @throws {UsageError} when a file can't be used @throws {LinkError} when the machine does not give what the run needs
 */
export type RunScenario = (path: string, options: RunOptions) => Promise<RunReport>;
