import { type BenchError, LinkError } from "../../emulator/kernel/errors.ts";
import type { Duration } from "../../emulator/kernel/time.ts";
import { DiagnosticNack } from "../../emulator/wire/doip.ts";
import { Nrc } from "../../emulator/wire/uds.ts";
import { DiagnosticNackError } from "../doip/doip-errors.ts";
import type { Verdict } from "./procedure.ts";
import { NegativeResponseError } from "./uds-errors.ts";
import { BUSY_MAX, REPEATS_MAX, type UpdaterTiming } from "./updater-config.ts";

/** NRCs that say: the session or the download that you think we have is gone. */
const SESSION_GONE: ReadonlySet<number> = new Set([
  Nrc.RequestSequenceError,
  Nrc.SecurityAccessDenied,
  Nrc.SubFunctionNotSupportedInActiveSession,
  Nrc.ServiceNotSupportedInActiveSession,
]);

export const isNrc = (error: BenchError, ...codes: readonly number[]): boolean =>
  error instanceof NegativeResponseError && codes.includes(error.nrc);

export const isSessionGone = (error: BenchError): boolean =>
  error instanceof NegativeResponseError && SESSION_GONE.has(error.nrc);

export const isNack = (error: BenchError, code: number): boolean =>
  error instanceof DiagnosticNackError && error.nack === code;

/** The request or its answer got lost on the way; the connection to the gateway stands. */
const isSilence = (error: BenchError): boolean =>
  error.code === "UDS_TIMEOUT" ||
  error.code === "UDS_NOT_ACKNOWLEDGED" ||
  isNack(error, DiagnosticNack.TransportProtocolError);

/** Nobody has said no: the ECU or its gateway may be starting, or be gone for a while. */
export function isPassing(error: BenchError): boolean {
  if (!(error instanceof LinkError)) return false;
  return !(error instanceof DiagnosticNackError) || PASSING_NACKS.has(error.nack);
}

const PASSING_NACKS: ReadonlySet<number> = new Set([
  DiagnosticNack.OutOfMemory,
  DiagnosticNack.TargetUnreachable,
  DiagnosticNack.TransportProtocolError,
]);

/**
 * What a failure means where a row has no rule of its own.
 *
 * Lost: the same again where that does no harm, else from the start. Session gone, ECU unreachable, connection lost: from
 * the start. A wrong key is never followed by another one: an ECU that says 0x35 or 0x36 is left alone, and one that says
 * 0x37 is asked once more after its delay. Everything else that was said on purpose is final.
 *
 * A gateway that has no room is busy with requests before this one, so it is asked for as long as one may be on its way.
 */
export function generalVerdict<Memory>(
  step: { readonly repeatable?: boolean; readonly givesUp?: boolean },
  error: BenchError,
  timing: UpdaterTiming & { readonly path: Duration },
): Verdict<Memory> {
  const after = (max: number, span: Duration): Verdict<Memory> => ({ go: "again", error, max, after: span });
  if (isNrc(error, Nrc.BusyRepeatRequest)) return after(BUSY_MAX, timing.busyDelay);
  if (isNack(error, DiagnosticNack.OutOfMemory)) {
    return after(Math.max(BUSY_MAX, Math.ceil(timing.path / timing.busyDelay)), timing.busyDelay);
  }
  if (isNrc(error, Nrc.RequiredTimeDelayNotExpired)) {
    return { go: "again", error, max: 1, after: timing.securityDelay, keepAlive: true, otherwise: "fail" };
  }
  if (isSilence(error)) {
    const otherwise = step.givesUp === true ? "fail" : "over";
    return step.repeatable === true ? { go: "again", error, max: REPEATS_MAX, otherwise } : { go: otherwise, error };
  }
  if (isSessionGone(error) || isNack(error, DiagnosticNack.TargetUnreachable)) return { go: "over", error };
  if (error instanceof DiagnosticNackError) return { go: "fail", error };
  return error instanceof LinkError ? { go: "over", error } : { go: "fail", error };
}
