import type { AuditCheck, AuditRecord } from "../device/audit-log.ts";
import type { StepReport } from "../device/device.ts";
import type { DeviceSession } from "../device/device-session.ts";
import type { ScheduleRun } from "../device/run-schedule.ts";
import { scheduleText } from "../device/schedule.ts";
import { printable } from "../link/printable.ts";

type Status = Awaited<ReturnType<DeviceSession["status"]>>;

/** One line for one step. */
export function stepText(report: StepReport): string {
  switch (report.step) {
    case "check":
      return `check     ${report.verdict === "offer" ? offerText(report.release, report.size) : "up to date"}`;
    case "download":
      return `download  ${downloadText(report)}`;
    case "verify":
      return `verify    ${report.verdict === "verified" ? "good" : "up to date"}: ${versionsText(report.versions)}`;
    case "apply":
      return `apply     ${applyText(report)}`;
  }
}

const offerText = (release = "", size?: number): string =>
  `the server has ${printable(release)}${size === undefined ? "" : `, ${size} bytes`}`;

function downloadText(report: Extract<StepReport, { step: "download" }>): string {
  if (report.verdict === "upToDate") return "the server has nothing";
  if (report.verdict === "alreadyDownloaded") return `${report.size} bytes are here already`;
  const { size, bytes, from = 0, ms = 0, retransmissions = null } = report;
  const again = retransmissions === null ? "" : `, ${retransmissions} retransmissions`;
  const start = from === 0 ? "" : ` from byte ${from} on`;
  return `${size} bytes, ${bytes} of them now${start}${again}, ${(ms / 1000).toFixed(2)} s`;
}

function applyText({ verdict, code, reason, ecus = [] }: Extract<StepReport, { step: "apply" }>): string {
  const why = code === undefined ? "" : ` (${code}: ${reason})`;
  const each = ecus.map(
    ({ ecu, before, after, verdict: came }) => `\n  ${ecu}  ${before ?? "-"} -> ${after ?? "-"}  ${came}`,
  );
  return `${verdict}${why}${each.join("")}`;
}

const versionsText = (versions: Readonly<Record<string, string>>): string =>
  Object.entries(versions)
    .map(([of, version]) => `${printable(of)} ${version}`)
    .join(", ") || "no format that tells versions";

export function statusText({ system, peer, target, state, schedule, due, interrupted }: Status): string {
  const { downloaded, verified, offer } = state;
  const last = state.applied.at(-1);
  const lines = [
    `source    ${system} ${peer}`,
    `target    ${target}`,
    `offer     ${offer === undefined ? "none known" : `${offerText(offer.release, offer.size)}, seen ${offer.at}`}`,
    `download  ${downloaded === undefined ? "none" : `${downloaded.size} bytes, ${downloaded.at}`}`,
    `verified  ${verified === undefined ? "no" : verified.at}`,
    `applied   ${last === undefined ? "nothing yet" : `${last.verdict} ${last.at}: ${versionsText(last.versions)}`}`,
    `schedule  ${scheduleText(schedule)}${due === undefined ? "" : `; next ${due.toISOString()}`}`,
  ];
  if (interrupted) lines.push("an update was interrupted; apply goes on with it");
  return lines.join("\n");
}

const recordText = ({ n, at, user, event, outcome, detail }: AuditRecord): string =>
  `${String(n).padStart(5)}  ${printable(at)}  ${printable(user || "-").padEnd(8)}  ${printable(event).padEnd(14)}  ${printable(outcome)}  ${printable(JSON.stringify(detail))}`;

export function logText({ records, count, mended, problems, head }: AuditCheck): string {
  const lines = records.map(recordText);
  for (const { line, code, reason } of problems) lines.push(`line ${line}: ${code}: ${printable(reason)}`);
  const torn = mended === 0 ? "" : `, ${mended} torn lines were found and recorded`;
  lines.push(
    `${count} records${torn}; ${problems.length === 0 ? "the chain is whole" : "THE CHAIN IS BROKEN"}; head ${printable(head)}`,
  );
  return lines.join("\n");
}

export function runText({ at, steps, error }: ScheduleRun): string {
  const lines = [`run of ${at.toISOString()}`, ...steps.map((step) => `  ${stepText(step)}`)];
  if (error !== undefined) lines.push(`  failed: ${error.code}: ${printable(error.message)}`);
  return lines.join("\n");
}
