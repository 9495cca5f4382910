import { UsageError } from "../../emulator/kernel/errors.ts";
import type { TraceEvent } from "../../emulator/kernel/trace.ts";
import type { HostAnswer, HostRequest } from "../../gateway/source/host-request.ts";
import type { HostDriver } from "../link/host-driver.ts";

interface Recorded {
  readonly id: number;
  readonly request: string;
  readonly answers: HostAnswer[];
}

/** A run that is being replayed asks for something else than the recorded one did. */
export class ReplayDivergedError extends UsageError {
  override readonly code = "REPLAY_DIVERGED";
}

/**
 * Answers requests with what a recorded run was told: no network is needed. Requests must come in the recorded order.
 * A request that was left unanswered in the record is never answered.
 */
export class RecordedDriver implements HostDriver {
  readonly #recorded: Recorded[];
  readonly #answering = new Map<number, HostAnswer[]>();

  /** @param events of the recorded run */
  constructor(events: Iterable<TraceEvent>) {
    this.#recorded = recordedRequests(events);
  }

  /** @throws {ReplayDivergedError} for a request that the recorded run did not make at this point */
  start(id: number, request: HostRequest): void {
    const next = this.#recorded.shift();
    const asked = requestText(request.kind, request);
    if (next === undefined || next.id !== id || next.request !== asked) {
      throw new ReplayDivergedError(
        `request ${id}, ${asked}, is not what was recorded (${next?.request ?? "the end"})`,
      );
    }
    this.#answering.set(id, next.answers);
  }

  next(id: number): Promise<HostAnswer> {
    const answer = this.#answering.get(id)?.shift();
    return answer === undefined ? new Promise(() => {}) : Promise.resolve(answer);
  }

  abandon(id: number): void {
    this.#answering.delete(id);
  }

  /** Nothing is sent at all. */
  retransmissions(): undefined {
    return undefined;
  }

  async close(): Promise<void> {
    this.#answering.clear();
  }
}

/** What a request is recognised by. Where the server is does not count: it may have been somebody else's. */
function requestText(kind: string, { method, url }: { readonly method: string; readonly url: string }): string {
  return `${kind} ${method} ${new URL(url).pathname}`;
}

function recordedRequests(events: Iterable<TraceEvent>): Recorded[] {
  const list: Recorded[] = [];
  const latest = new Map<number, Recorded>();
  for (const event of events) {
    if (event.type === "host.request") {
      const asked = JSON.parse(event.request) as { method: string; url: string };
      const recorded: Recorded = { id: event.id, request: requestText(event.kind, asked), answers: [] };
      list.push(recorded);
      latest.set(event.id, recorded);
    } else if (event.type === "host.input") {
      const answer = JSON.parse(event.answer) as HostAnswer;
      latest.get(event.id)?.answers.push(answer.type === "body" ? { ...answer, data: event.data.slice() } : answer);
    }
  }
  return list;
}
