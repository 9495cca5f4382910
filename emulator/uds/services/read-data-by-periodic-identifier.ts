import { type Duration, type Instant, plus } from "../../kernel/time.ts";
import { Nrc, Sid } from "../../wire/uds.ts";
import type { PeriodicTransmission } from "../data-state.ts";
import type { DataLimits } from "../host-data.ts";
import { dataOf, readNrc } from "../identifiers.ts";
import {
  type Answer,
  NON_DEFAULT,
  negative,
  positive,
  type Service,
  type ServiceContext,
  WRONG_LENGTH,
} from "../service.ts";

/** transmissionMode. (ISO 14229-1:2020, Table C.10) */
const TransmissionMode = {
  SendAtSlowRate: 0x01,
  SendAtMediumRate: 0x02,
  SendAtFastRate: 0x03,
  StopSending: 0x04,
} as const;
const IDENTIFIERS_OFFSET = 2;
const PERIODIC_BASE = 0xf200;

/**
 * 0x2A. Those identifiers that can't be sent now are left out, and only when none is left the answer is NRC 0x31.
 * One that is being sent already changes its rate. (ISO 14229-1:2020, 11.5 and Figure 23)
 */
export const readDataByPeriodicIdentifier: Service = {
  sid: Sid.ReadDataByPeriodicIdentifier,
  sessions: NON_DEFAULT,
  unlocked: false,
  functional: false,
  subFunctions: "none",
  offered: ({ dataHost }) => dataHost !== undefined,
  run(request, context) {
    const { memory, host } = context;
    const mode = request[1];
    if (mode === undefined) return WRONG_LENGTH;
    const asked = [...request.subarray(IDENTIFIERS_OFFSET)].map((identifier) => PERIODIC_BASE + identifier);
    const limits = host.dataHost?.limits;
    if (limits === undefined || mode < TransmissionMode.SendAtSlowRate || mode > TransmissionMode.StopSending) {
      return negative(Nrc.RequestOutOfRange);
    }
    if (asked.length > limits.periodicIdentifiersMax) return WRONG_LENGTH;
    if (mode === TransmissionMode.StopSending) return stop(asked, context);
    if (asked.length === 0) return WRONG_LENGTH;
    const dids = [...new Set(asked)].filter((did) => readNrc(did, context) !== Nrc.RequestOutOfRange);
    if (dids.length === 0) return negative(Nrc.RequestOutOfRange);
    if (dids.some((did) => readNrc(did, context) !== undefined)) return negative(Nrc.SecurityAccessDenied);
    if (dids.some((did) => (dataOf(did, context)?.length ?? 0) > limits.periodicDataMax)) {
      return negative(Nrc.ResponseTooLong);
    }
    const others = memory.periodic.filter(({ did }) => !dids.includes(did));
    if (others.length + dids.length > limits.periodicIdentifiersMax) return negative(Nrc.RequestOutOfRange);
    const every = rateOf(mode, limits);
    const added = dids.map((did): PeriodicTransmission => ({ did, every, due: plus(context.now, every) }));
    memory.periodic = [...others, ...added];
    return positive(Sid.ReadDataByPeriodicIdentifier);
  },
};

/** Those named, or all of them. One that is not being sent is stopped as well. */
function stop(dids: readonly number[], { memory }: ServiceContext): Answer {
  memory.periodic = dids.length === 0 ? [] : memory.periodic.filter(({ did }) => !dids.includes(did));
  return positive(Sid.ReadDataByPeriodicIdentifier);
}

function rateOf(mode: number, { periodicRates }: DataLimits): Duration {
  if (mode === TransmissionMode.SendAtSlowRate) return periodicRates.slow;
  return mode === TransmissionMode.SendAtMediumRate ? periodicRates.medium : periodicRates.fast;
}

/** The messages that are due: low byte of the identifier, then its record. What was missed is not made up for. */
export function duePeriodic(context: ServiceContext): readonly Uint8Array[] {
  const { memory, host, now } = context;
  const due = memory.periodic.filter((each) => each.due <= now);
  if (due.length === 0) return [];
  memory.periodic = memory.periodic.map((each) => (each.due <= now ? { ...each, due: nextDue(each, now) } : each));
  return due.flatMap(({ did }) => {
    const data = readNrc(did, context) === undefined ? dataOf(did, context) : undefined;
    if (data === undefined || data.length > (host.dataHost?.limits.periodicDataMax ?? 0)) return [];
    return [Uint8Array.from([did & 0xff, ...data])];
  });
}

const nextDue = ({ due, every }: PeriodicTransmission, now: Instant): Instant =>
  plus(due, every) > now ? plus(due, every) : plus(now, every);
