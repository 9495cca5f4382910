import type { Instant } from "../../kernel/time.ts";

/** eventType, bits 0 to 5. (ISO 14229-1:2020, Table 137) */
export const EventType = {
  StopResponseOnEvent: 0x00,
  OnDtcStatusChange: 0x01,
  OnTimerInterrupt: 0x02,
  OnChangeOfDataIdentifier: 0x03,
  ReportActivatedEvents: 0x04,
  StartResponseOnEvent: 0x05,
  ClearResponseOnEvent: 0x06,
  OnComparisonOfValues: 0x07,
  ReportMostRecentDtcOnStatusChange: 0x08,
} as const;

/** How long the eventTypeRecord of each kind of event is. */
export const RECORD_LENGTH: ReadonlyMap<number, number> = new Map([
  [EventType.OnDtcStatusChange, 1],
  [EventType.OnTimerInterrupt, 1],
  [EventType.OnChangeOfDataIdentifier, 2],
  [EventType.OnComparisonOfValues, 10],
  [EventType.ReportMostRecentDtcOnStatusChange, 1],
]);

/** One event that was set up. */
export interface UdsEvent {
  readonly type: number;
  /** eventWindowTime */
  readonly window: number;
  readonly record: Uint8Array;
  /** The request that the server answers when the event has happened. */
  readonly respond: Uint8Array;
  /** Undefined while it is not started. */
  readonly active?: {
    /** Undefined: without end. */
    readonly until: Instant | undefined;
    /** When it is looked at next. */
    readonly dueAt: Instant;
    /** What was there when it was looked at last. */
    readonly last: string;
  };
}

/** What tells of an event in a message: the request that it answers is told only where a tester has given it. */
export const toldRequest = ({ type, respond }: UdsEvent): Uint8Array | readonly number[] =>
  type === EventType.ReportMostRecentDtcOnStatusChange ? [] : respond;

export function stopped(event: UdsEvent): UdsEvent {
  const { active: _, ...rest } = event;
  return rest;
}

/** Type, window, record with its length, request with its length; of each event. */
export function encodeEvents(events: readonly UdsEvent[]): Uint8Array {
  return Uint8Array.from(
    events.flatMap(({ type, window, record, respond }) => [
      type,
      window,
      record.length,
      ...record,
      respond.length,
      ...respond,
    ]),
  );
}

/** Total: what can't be read is left out, with all that follows. */
export function decodeEvents(data: Uint8Array): readonly UdsEvent[] {
  const events: UdsEvent[] = [];
  let offset = 0;
  const sized = (): Uint8Array | undefined => {
    const length = data[offset];
    if (length === undefined || data.length < offset + 1 + length) return undefined;
    offset += 1 + length;
    return data.slice(offset - length, offset);
  };
  while (offset + 2 < data.length) {
    const [type, window] = [data[offset] as number, data[offset + 1] as number];
    offset += 2;
    const record = sized();
    const respond = sized();
    if (record === undefined || respond === undefined || RECORD_LENGTH.get(type) !== record.length) return events;
    events.push({ type, window, record, respond });
  }
  return events;
}
