import type { CampaignResult } from "../../gateway/campaign/campaign-io.ts";
import type { EcuResult } from "../../gateway/campaign/ecu-record.ts";
import type { StepReport } from "./run-report.ts";
import type { Expectation, ScenarioStep } from "./scenario-file.ts";

/** What came of one step. */
export interface StepOutcome {
  /** Undefined when the campaign did not come to its end. */
  readonly result: CampaignResult | undefined;
  /** The vehicle gateway lost its power, and the campaign with it. */
  readonly interrupted: boolean;
  /** Faults whose moment did not come. */
  readonly missed: readonly string[];
  /** How often each type of event came during the step. */
  readonly events: ReadonlyMap<string, number>;
}

/** Compares what was observed with what the step expects. */
export function judge(step: ScenarioStep, outcome: StepOutcome): StepReport {
  const { result } = outcome;
  const observed = result === undefined ? verdictOf(outcome) : describe(result);
  const misses = [...missesOf(step.expect, outcome)];
  const error = result?.error;
  return {
    name: step.name,
    verdict: misses.length === 0 ? "passed" : "failed",
    expected: describeExpectation(step.expect),
    observed: misses.length === 0 ? observed : `${observed}; ${misses.join("; ")}`,
    ...(error === undefined ? {} : { code: error.code, reason: error.message }),
  };
}

const verdictOf = ({ result, interrupted }: StepOutcome): string =>
  interrupted ? "interrupted" : (result?.verdict ?? "not ended");

function* missesOf(expected: Expectation, outcome: StepOutcome): Generator<string> {
  const { result, missed, events } = outcome;
  const verdict = verdictOf(outcome);
  if (verdict !== expected.verdict) yield `the campaign ended as ${verdict}, not ${expected.verdict}`;
  const code = result?.error?.code ?? "none";
  if (code !== (expected.error ?? code)) yield `the error is ${code}, not ${expected.error}`;
  for (const ecuResult of result?.ecus ?? []) yield* ecuMiss(expected, ecuResult);
  for (const fault of missed) yield `the fault never struck: ${fault}`;
  for (const [type, atLeast] of Object.entries(expected.events ?? {})) {
    const count = events.get(type) ?? 0;
    if (count < atLeast) yield `${type} came ${count} times, not ${atLeast}`;
  }
}

function* ecuMiss({ ecus }: Expectation, { ecu, verdict }: EcuResult): Generator<string> {
  const wanted = typeof ecus === "object" ? ecus[ecu] : ecus;
  if (wanted !== undefined && verdict !== wanted) yield `${ecu} is ${verdict}, not ${wanted}`;
}

function describe({ verdict, error, ecus }: CampaignResult): string {
  const told = error === undefined ? "" : ` (${error.code})`;
  return `${verdict}${told}: ${ecus.map(({ ecu, after }) => `${ecu} ${after ?? "silent"}`).join(", ")}`;
}

function describeExpectation({ verdict, error, ecus }: Expectation): string {
  const told = error === undefined ? "" : ` (${error})`;
  if (ecus === undefined) return `${verdict}${told}`;
  const list =
    typeof ecus === "string"
      ? `all ${ecus}`
      : Object.entries(ecus)
          .map((pair) => pair.join(" "))
          .join(", ");
  return `${verdict}${told}: ${list}`;
}
