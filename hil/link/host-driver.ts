import type { HostAnswer, HostRequest } from "../../gateway/source/host-request.ts";

/**
 * Carries out what the cores ask of the world outside. Answers are fetched one by one: a driver reads no further from
 * the network than its user keeps up with.
 */
export interface HostDriver {
  /** Begins a request. @param id not in use by another one @throws {UsageError} when it is, or after `close` */
  start(id: number, request: HostRequest): void;
  /**
   * The next answer of a request; after `end` or `failed`, and after `abandon`, there is none. Never rejects for what the
   * network does. A call that waits while its request is abandoned resolves to `failed` with "HOST_FAILED".
   * @throws {UsageError} for a request that is not under way, or whose last answer is still being waited for
   */
  next(id: number): Promise<HostAnswer>;
  /** Ends a request; harmless when it has ended. */
  abandon(id: number): void;
  /**
   * How often something had to be sent again since the beginning; undefined where the transport does not tell. It depends
   * on the network's mood, and is for reports only.
   */
  retransmissions(): number | undefined;
  /** Ends all of them, and what keeps the process alive. */
  close(): Promise<void>;
}

/** Whether nothing more comes after this answer. */
export const isLastAnswer = (answer: HostAnswer): boolean => answer.type === "end" || answer.type === "failed";
