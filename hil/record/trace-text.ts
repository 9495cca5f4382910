import type { TraceEvent } from "../../emulator/kernel/trace.ts";
import type { TraceFile } from "./trace-file.ts";

/** Each event as one line of JSON; `at` in nanoseconds since the run began, octets in hexadecimal. */
export function* ndjsonLines(events: Iterable<TraceEvent>): Generator<string> {
  for (const event of events) {
    yield `${JSON.stringify(event, (_key, value: unknown) =>
      value instanceof Uint8Array ? Buffer.from(value.buffer, value.byteOffset, value.length).toString("hex") : value,
    )}\n`;
  }
}

interface Bus {
  frames: number;
  bytes: number;
  /** Nanoseconds. */
  busy: number;
}

/** What is in a trace, for people. */
export function* summaryLines(file: TraceFile, events: Iterable<TraceEvent>): Generator<string> {
  const counts = new Map<string, number>();
  const buses = new Map<string, Bus>();
  let last = 0;
  let verdict = "not ended";
  for (const event of events) {
    counts.set(event.type, (counts.get(event.type) ?? 0) + 1);
    last = event.at;
    if (event.type === "run.ended") verdict = event.verdict;
    if (event.type !== "can.frame") continue;
    const bus = buses.get(event.source) ?? { frames: 0, bytes: 0, busy: 0 };
    buses.set(event.source, bus);
    bus.frames++;
    bus.bytes += event.data.length;
    bus.busy += event.duration;
  }
  const { scenario, seed, otabench } = file.meta;
  yield `scenario  ${scenario}\nseed      ${seed}\nwritten   by otabench ${otabench}\n`;
  yield `digest    ${file.digest}\nlength    ${file.record.length} bytes\n`;
  yield `time      ${(last / 1e9).toFixed(6)} s\nverdict   ${verdict}\n`;
  if (buses.size > 0) yield "\n";
  for (const [name, { frames, bytes, busy }] of buses) {
    const load = last === 0 ? 0 : (100 * busy) / last;
    yield `${name}  ${frames} frames, ${bytes} bytes, ${(busy / 1e9).toFixed(6)} s on the wire (${load.toFixed(1)} %)\n`;
  }
  yield "\n";
  for (const [type, count] of [...counts].sort(([a], [b]) => (a < b ? -1 : 1))) {
    yield `${String(count).padStart(10)}  ${type}\n`;
  }
}
