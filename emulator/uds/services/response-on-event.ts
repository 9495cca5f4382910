import { DtcReport } from "../../wire/dtc.ts";
import { Nrc, Sid } from "../../wire/uds.ts";
import { comparedValue, readComparison } from "../events/comparison.ts";
import { EventType, encodeEvents, RECORD_LENGTH, stopped, toldRequest, type UdsEvent } from "../events/event.ts";
import { started, windowOf } from "../events/watch.ts";
import { dataOf, ownRule } from "../identifiers.ts";
import {
  ALL_SESSIONS,
  type Answer,
  accessNrc,
  fromWork,
  negative,
  positive,
  type Service,
  type ServiceContext,
  uint16,
  WRONG_LENGTH,
} from "../service.ts";

const STORE_EVENT = 0x40;
const TYPE_MASK = 0x3f;
const RECORD_OFFSET = 3;
const RESPOND_MAX = 32;
const TIMER_RATES = 3;
/** What an event of type 08 may tell. */
const DTC_REPORTS: readonly number[] = [
  DtcReport.FirstTestFailedDtc,
  DtcReport.FirstConfirmedDtc,
  DtcReport.MostRecentTestFailedDtc,
  DtcReport.MostRecentConfirmedDtc,
];
/** What may be answered when an event has happened. */
const RESPONDING: readonly number[] = [Sid.ReadDtcInformation, Sid.ReadDataByIdentifier];

/**
 * 0x86. Events are set up, then started together; a change of the session stops them. With storageState the events that are
 * set up then, and that they run, outlive a reset. (ISO 14229-1:2020, 10.11)
 */
export const responseOnEvent: Service = {
  sid: Sid.ResponseOnEvent,
  sessions: ALL_SESSIONS,
  unlocked: false,
  functional: false,
  subFunctions: "own",
  run(request, context) {
    const octet = request[1];
    if (octet === undefined) return WRONG_LENGTH;
    const type = octet & TYPE_MASK;
    const recordLength = RECORD_LENGTH.get(type);
    if (recordLength !== undefined) return setUp(request, recordLength, context);
    if (type > EventType.ReportMostRecentDtcOnStatusChange) return negative(Nrc.SubFunctionNotSupported);
    if (request.length !== RECORD_OFFSET) return WRONG_LENGTH;
    if (windowOf(request[2] as number, context) === undefined) return negative(Nrc.RequestOutOfRange);
    return type === EventType.ReportActivatedEvents ? report(octet & 0x7f, context) : control(request, context);
  },
};

function setUp(request: Uint8Array, recordLength: number, context: ServiceContext): Answer {
  const { config, memory } = context;
  const octet = (request[1] as number) & 0x7f;
  const respondOffset = RECORD_OFFSET + recordLength;
  const type = octet & TYPE_MASK;
  const dtcReport = type === EventType.ReportMostRecentDtcOnStatusChange;
  if (dtcReport ? request.length !== respondOffset : request.length <= respondOffset) return WRONG_LENGTH;
  const event: UdsEvent = {
    type,
    window: request[2] as number,
    record: request.slice(RECORD_OFFSET, respondOffset),
    respond: dtcReport
      ? Uint8Array.of(Sid.ReadDtcInformation, request[RECORD_OFFSET] as number)
      : request.slice(respondOffset),
  };
  const nrc = fault(event, context);
  if (nrc !== undefined) return negative(nrc);
  const others = memory.events.filter((other) => !isSame(other, event));
  if (others.length >= config.events.countMax) return negative(Nrc.ConditionsNotCorrect);
  const response = [octet, 0x00, event.window, ...event.record, ...toldRequest(event)];
  return kept([...others, event], octet, response, context);
}

/** One kind of event with one record is there once. */
const isSame = (one: UdsEvent, other: UdsEvent): boolean =>
  one.type === other.type && one.record.every((octet, index) => octet === other.record[index]);

function fault(event: UdsEvent, context: ServiceContext): Nrc | undefined {
  const { window, respond } = event;
  const known = windowOf(window, context) !== undefined && RESPONDING.includes(respond[0] as number);
  return known && respond.length <= RESPOND_MAX ? recordFault(event, context) : Nrc.RequestOutOfRange;
}

function recordFault({ type, record }: UdsEvent, context: ServiceContext): Nrc | undefined {
  const first = record[0] as number;
  if (type === EventType.OnTimerInterrupt) {
    return first >= 1 && first <= TIMER_RATES ? undefined : Nrc.RequestOutOfRange;
  }
  if (type === EventType.OnDtcStatusChange) {
    const mask = context.host.dtc?.statusAvailabilityMask ?? 0;
    return (first & mask) === 0 ? Nrc.RequestOutOfRange : undefined;
  }
  if (type === EventType.ReportMostRecentDtcOnStatusChange) {
    return context.host.dtc === undefined || !DTC_REPORTS.includes(first) ? Nrc.RequestOutOfRange : undefined;
  }
  if (type === EventType.OnComparisonOfValues) return comparisonFault(record, context);
  return accessNrc(ownRule(uint16(record, 0), context)?.read, context.memory);
}

function comparisonFault(record: Uint8Array, context: ServiceContext): Nrc | undefined {
  const comparison = readComparison(record);
  if (comparison === undefined) return Nrc.RequestOutOfRange;
  const nrc = accessNrc(ownRule(comparison.did, context)?.read, context.memory);
  if (nrc !== undefined) return nrc;
  const data = dataOf(comparison.did, context);
  return data === undefined || comparedValue(comparison, data) === undefined ? Nrc.RequestOutOfRange : undefined;
}

/** Stop, start, clear. */
function control(request: Uint8Array, context: ServiceContext): Answer {
  const { memory } = context;
  const octet = (request[1] as number) & 0x7f;
  const response = [octet, memory.events.length, request[2] as number];
  switch (octet & TYPE_MASK) {
    case EventType.StartResponseOnEvent: {
      if (memory.events.length === 0) return negative(Nrc.RequestSequenceError);
      return kept(
        memory.events.map((event) => started(event, context)),
        octet,
        response,
        context,
      );
    }
    case EventType.StopResponseOnEvent:
      return kept(memory.events.map(stopped), octet, response, context);
    default:
      return kept([], octet, response, context);
  }
}

/** What is stored is what is to run after a reset: nothing, unless the events were started. */
function kept(events: readonly UdsEvent[], octet: number, rest: readonly number[], context: ServiceContext): Answer {
  const { host, memory, now } = context;
  if ((octet & STORE_EVENT) === 0) {
    memory.events = events;
    return positive(Sid.ResponseOnEvent, ...rest);
  }
  const data = encodeEvents(events.filter(({ active }) => active !== undefined));
  if (host.events === undefined || data.length > host.events.lengthMax) return negative(Nrc.ConditionsNotCorrect);
  memory.events = events;
  return fromWork(host.events.store(data, now), Sid.ResponseOnEvent, rest);
}

function report(octet: number, { memory }: ServiceContext): Answer {
  const active = memory.events.filter((event) => event.active !== undefined);
  const each = active.flatMap((event) => [event.type, event.window, ...event.record, ...toldRequest(event)]);
  return positive(Sid.ResponseOnEvent, octet, active.length, ...each);
}
