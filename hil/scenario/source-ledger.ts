import type { Trace } from "../../emulator/kernel/trace.ts";
import type { SourceReport } from "./run-report.ts";

/** Keeps the account of what came from the server: a view of the trace. */
export class SourceLedger {
  #system: string | undefined;
  #bytes = 0;
  #failures = 0;
  #ms = 0;
  #requestedAt = 0;

  constructor(trace: Trace) {
    trace.on("source.offer", ({ system }) => {
      this.#system = system;
    });
    trace.on("host.request", () => {
      this.#requestedAt = performance.now();
    });
    trace.on("host.input", ({ answer, data }) => {
      const now = performance.now();
      this.#ms += now - this.#requestedAt;
      this.#requestedAt = now;
      this.#bytes += data.length;
      if (answer.includes('"type":"failed"')) this.#failures++;
    });
  }

  /** @param peer the server as the device addresses it @param retransmissions of the transport, where it tells
   * @returns undefined when nothing was ever offered */
  report(peer: string, retransmissions: number | undefined): SourceReport | undefined {
    const system = this.#system;
    if (system === undefined) return undefined;
    return {
      system,
      peer,
      bytes: this.#bytes,
      retries: this.#failures,
      ms: Math.round(this.#ms),
      retransmissions: retransmissions ?? null,
    };
  }
}
