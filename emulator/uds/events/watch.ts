import { type Duration, earliest, type Instant, plus } from "../../kernel/time.ts";
import { toHex } from "../../wire/text.ts";
import { dataOf } from "../identifiers.ts";
import { type ServiceContext, uint16 } from "../service.ts";
import { comparedValue, holds, readComparison } from "./comparison.ts";
import { EventType, stopped, type UdsEvent } from "./event.ts";

const INFINITE_WINDOW = 0x02;

/** How long an eventWindowTime is; undefined for one that is not known. */
export function windowOf(window: number, { config }: ServiceContext): Duration | "infinite" | undefined {
  return window === INFINITE_WINDOW ? "infinite" : config.events.windows[window - INFINITE_WINDOW - 1];
}

/** How long after one look at an event the next one is. */
function intervalOf({ type, record }: UdsEvent, { config }: ServiceContext): Duration {
  if (type !== EventType.OnTimerInterrupt) return config.events.interval;
  return config.events.timers[(record[0] as number) - 1] ?? config.events.interval;
}

/** What an event watches, as a text that is another one when it has changed. */
function watched({ type, record, active }: UdsEvent, context: ServiceContext): string {
  if (type === EventType.OnComparisonOfValues) return compared(record, active?.last === HOLDS, context);
  if (type === EventType.OnChangeOfDataIdentifier) {
    const data = dataOf(uint16(record, 0), context);
    return data === undefined ? "" : toHex(data);
  }
  if (type !== EventType.OnDtcStatusChange && type !== EventType.ReportMostRecentDtcOnStatusChange) return "";
  const mask = type === EventType.OnDtcStatusChange ? (record[0] as number) : ANY_STATUS;
  return (context.host.dtc?.list() ?? []).map(({ code, status }) => `${code} ${status & mask}`).join();
}

const ANY_STATUS = 0xff;
const HOLDS = "holds";

function compared(record: Uint8Array, held: boolean, context: ServiceContext): string {
  const comparison = readComparison(record);
  const data = comparison === undefined ? undefined : dataOf(comparison.did, context);
  if (comparison === undefined || data === undefined) return "";
  const value = comparedValue(comparison, data);
  return value !== undefined && holds(comparison, value, held) ? HOLDS : "";
}

/** A timer strikes at each turn, a comparison when it begins to hold, all others when something has changed. */
function hasStruck(type: number, before: string, last: string): boolean {
  if (type === EventType.OnTimerInterrupt) return true;
  return last !== before && (type !== EventType.OnComparisonOfValues || last === HOLDS);
}

export function started(event: UdsEvent, context: ServiceContext): UdsEvent {
  const { now } = context;
  const window = windowOf(event.window, context);
  const until = window === undefined || window === "infinite" ? undefined : plus(now, window);
  const dueAt = plus(now, intervalOf(event, context));
  return { ...event, active: { until, dueAt, last: watched(event, context) } };
}

/**
 * Looks at an event that is due. While the server is busy a change waits to be told, and a tick of a timer is lost.
 * @returns whether it has happened, and how it goes on
 */
export function lookedAt(event: UdsEvent, idle: boolean, context: ServiceContext): readonly [boolean, UdsEvent] {
  const { active } = event;
  const { now } = context;
  if (active === undefined) return [false, event];
  if (active.until !== undefined && active.until <= now) return [false, stopped(event)];
  if (active.dueAt > now) return [false, event];
  const dueAt = plus(now, intervalOf(event, context));
  if (!idle) return [false, { ...event, active: { ...active, dueAt } }];
  const last = watched(event, context);
  const happened = hasStruck(event.type, active.last, last);
  return [happened, { ...event, active: { ...active, dueAt, last } }];
}

export const eventDeadline = (events: readonly UdsEvent[]): Instant | undefined =>
  earliest(...events.flatMap(({ active }) => [active?.dueAt, active?.until]));
