import type { Instant } from "../kernel/time.ts";
import type { Tracer } from "../kernel/trace.ts";
import type { CanFrame } from "../wire/can-frame.ts";
import type { CanNode } from "./can-node.ts";
import type { CanErrorKind } from "./error-counters.ts";

/** What happens on one bus, as it goes into the trace. */
export class CanBusLog {
  readonly #name: string;
  readonly #tracer: Tracer;

  constructor(name: string, tracer: Tracer) {
    this.#name = name;
    this.#tracer = tracer;
  }

  /** @param span from SOF to the end of EOF, ns */
  frame(sender: CanNode, { id, flags, data }: CanFrame, span: number, now: Instant): void {
    sender.toldError = "";
    const duration = Math.round(span);
    this.#tracer.record(now, this.#name, "can.frame", { node: sender.name, id, flags, data, duration });
  }

  corrupted(sender: CanNode, { id, flags, data }: CanFrame, now: Instant): void {
    const { name: node } = sender;
    this.#tracer.record(now, this.#name, "can.fault", { node, fault: "corruptBit", id, flags, data });
  }

  /** The same error again, with the counters where they were, is not told again. @param bit number on the wire, from SOF */
  error(node: CanNode, kind: CanErrorKind, bit: number, now: Instant): void {
    const { transmitErrors: tec, receiveErrors: rec, state } = node.counters;
    const text = `${kind} ${bit} ${tec} ${rec}`;
    if (node.toldError === text) return;
    node.toldError = text;
    this.#tracer.record(now, this.#name, "can.error", { node: node.name, kind, bit, tec, rec, state });
  }

  /** Tells of the state that the node's counters have come to. */
  state(node: CanNode, now: Instant): void {
    const { transmitErrors: tec, receiveErrors: rec, state } = node.counters;
    const from = node.toldState;
    node.toldState = state;
    this.#tracer.record(now, this.#name, "can.state", { node: node.name, from, to: state, tec, rec });
    node.listener?.stateChanged?.(state, now);
  }
}
