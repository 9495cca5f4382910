import type { RunReport } from "../scenario/run-report.ts";

const HEAD = ["ECU", "before", "after", "bytes", "frames", "on the wire", "wall time", "verdict"];
/** Columns of numbers, which are set flush right. */
const RIGHT: ReadonlySet<number> = new Set([3, 4, 5, 6]);

/** The closing words of a run: its steps that failed, one row for each ECU, and where everything is. */
export function reportText(report: RunReport): string {
  return `${tableText(report)}\n${sourceText(report)}${stepsText(report)}${filesText(report)}${verdictText(report)}`;
}

function tableText({ ecus }: RunReport): string {
  if (ecus.length === 0) return "";
  const rows = ecus.map((ecu) => [
    ecu.ecu,
    ecu.versionBefore || "-",
    ecu.versionAfter || "-",
    String(ecu.bytes),
    String(ecu.frames),
    secondsText(ecu.wireMs),
    secondsText(ecu.wallMs),
    ecu.verdict,
  ]);
  const widths = HEAD.map((head, column) =>
    Math.max(head.length, ...rows.map((row) => (row[column] as string).length)),
  );
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => {
        const width = widths[column] as number;
        return RIGHT.has(column) ? cell.padStart(width) : cell.padEnd(width);
      })
      .join("  ")
      .trimEnd();
  const rule = widths.map((width) => "-".repeat(width)).join("  ");
  return `${[line(HEAD), rule, ...rows.map(line)].join("\n")}\n`;
}

function sourceText({ source }: RunReport): string {
  if (source === undefined) return "";
  const retries = source.retries === 1 ? "1 retry" : `${source.retries} retries`;
  const { system, peer, bytes, ms, retransmissions: again } = source;
  const told =
    again === null ? "retransmissions not told" : `${again} ${again === 1 ? "retransmission" : "retransmissions"}`;
  return `source    ${system} ${peer}: ${bytes} bytes, ${retries}, ${told}, ${secondsText(ms)}\n`;
}

function stepsText({ steps }: RunReport): string {
  return steps
    .filter(({ verdict }) => verdict === "failed")
    .map(({ name, expected, observed, code, reason }) => {
      const why = code === undefined ? "" : `\n          ${code}${reason === undefined ? "" : `: ${reason}`}`;
      return `failed    ${name}: expected ${expected}, observed ${observed}${why}\n`;
    })
    .join("");
}

function filesText({ captureFile, candumpFile, traceFile, replayCommand }: RunReport): string {
  const line = (name: string, path: string | undefined): string => (path === undefined ? "" : `${name}${path}\n`);
  return (
    line("capture   ", captureFile) +
    line("candump   ", candumpFile) +
    line("trace     ", traceFile) +
    line("replay    ", replayCommand)
  );
}

function verdictText({ verdict, code, reason, virtualMs, wallMs, traceDigest }: RunReport): string {
  const why = code === undefined ? "" : ` (${code}${reason === undefined ? "" : `: ${reason}`})`;
  return `digest    ${traceDigest}
verdict   ${verdict}${why}, ${secondsText(virtualMs)} of virtual time in ${secondsText(wallMs)}\n`;
}

/** "1.23 s"; below 100 ms "12.3 ms". */
const secondsText = (ms: number): string => (ms < 100 ? `${ms.toFixed(1)} ms` : `${(ms / 1000).toFixed(2)} s`);
