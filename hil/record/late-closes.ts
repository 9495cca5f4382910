import type { TraceEvent, TraceEventOf } from "../../emulator/kernel/trace.ts";

type Closed = TraceEventOf<"stream.closed">;

/** How long bytes may still be on their way when a stream has been closed, virtual nanoseconds. */
const IN_FLIGHT_MAX = 100_000_000;
/** How many events are kept back at most. */
const HELD_MAX = 100_000;

/**
 * Moves the end of each stream behind the last bytes of it. The trace has the close when its end decides it, and bytes
 * when they arrive, so that an answer sent right before the close comes after it; on a TCP connection it can't.
 * All other events keep their order.
 */
export function* withLateCloses(events: Iterable<TraceEvent>): Generator<TraceEvent> {
  const held: TraceEvent[] = [];
  let closing: Closed[] = [];
  for (const event of events) {
    if (held.length > 0 && isOver(event, closing, held.length)) {
      yield* settled(held, closing);
      held.length = 0;
      closing = [];
    }
    if (event.type === "stream.closed" && !isAbrupt(event)) closing.push(event);
    if (closing.length === 0) yield event;
    else held.push(event);
  }
  yield* settled(held, closing);
}

/** What was on its way is lost then. */
export const isAbrupt = ({ reason }: Closed): boolean =>
  reason === "reset" || reason === "timeout" || reason === "refused";

function isOver(event: TraceEvent, closing: readonly Closed[], held: number): boolean {
  if (held >= HELD_MAX) return true;
  const last = closing.at(-1) as Closed;
  if (event.at > last.at + IN_FLIGHT_MAX) return true;
  return event.type === "stream.opened" && closing.some(({ source }) => source === event.source);
}

/** The held events, each close behind the last bytes of its stream. */
function* settled(held: readonly TraceEvent[], closing: readonly Closed[]): Generator<TraceEvent> {
  const moved = new Map<TraceEvent, Closed[]>();
  for (const close of closing) {
    const behind = held.findLast((event) => event.type === "stream.data" && event.source === close.source) ?? close;
    const place = held.indexOf(behind) > held.indexOf(close) ? behind : close;
    moved.set(place, [...(moved.get(place) ?? []), { ...close, at: place.at }]);
  }
  const isClosing: ReadonlySet<TraceEvent> = new Set(closing);
  for (const event of held) {
    if (!isClosing.has(event)) yield event;
    yield* moved.get(event) ?? [];
  }
}
