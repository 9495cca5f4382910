import { UsageError } from "../kernel/errors.ts";
import type { Stateful } from "../kernel/machine.ts";
import { Prng, type PrngState } from "../kernel/prng.ts";
import { type Instant, NO_TIME, plus, us } from "../kernel/time.ts";
import type { Alarm, Timeline } from "../kernel/timeline.ts";
import type { Tracer } from "../kernel/trace.ts";
import type { CanFrame } from "../wire/can-frame.ts";
import { type ArmedRule, type CanFaultRule, checkRule, isSpent, ruleMatches } from "./can-fault-rule.ts";
import type { CanErrorState } from "./error-counters.ts";
import type { CanLink, CanListener } from "./link.ts";

export interface FaultyCanLinkConfig {
  /** Source of the trace events: the bus or the link. */
  readonly name: string;
  /** The node behind the link. */
  readonly node: string;
  readonly rules?: readonly CanFaultRule[];
}

/** A frame that is not with the inner link: held back, or lost and still to be confirmed. */
interface Held {
  /** What the node gave, and what goes on. */
  readonly asked: CanFrame;
  readonly sent: CanFrame;
  readonly fault: CanFaultRule["fault"] | undefined;
  /** When it goes on; undefined: as soon as all before it are done. */
  readonly until: Instant | undefined;
}

/** A frame with the inner link. `asked` is what the node gave; undefined for a duplicate, of which it knows nothing. */
interface Passed {
  readonly sent: CanFrame;
  readonly asked: CanFrame | undefined;
}

interface Arrived {
  readonly frame: CanFrame;
  readonly times: number;
  readonly until: Instant;
}

export interface FaultyCanLinkState {
  readonly rules: readonly ArmedRule[];
  readonly held: readonly Held[];
  readonly passed: readonly Passed[];
  readonly arrived: readonly Arrived[];
  readonly active: boolean;
  readonly prng: PrngState;
}

/** A lost frame is confirmed after that time, about that of a frame on a bus, so that its sender does not run in no time. */
const LOST_FRAME_TIME = us(200);
/** How many frames of one direction may be held. */
const HELD_MAX = 1024;

/**
 * A link with faults: frames are dropped, delayed, doubled or changed on their way to or from one node. Works around
 * any {@link CanLink}; without rules it changes nothing.
 *
 * A transmitted frame that is dropped is confirmed to its sender as if it had been sent: it is lost further on, as
 * behind a gateway or in a receiver's full buffer. Likewise a corrupted one passes the CRC: it was changed before it got
 * its CRC, or after that was checked. Order is kept: what comes behind a delayed frame waits with it.
 */
export class FaultyCanLink implements CanLink, CanListener, Stateful<FaultyCanLinkState> {
  readonly #config: FaultyCanLinkConfig;
  readonly #inner: CanLink;
  readonly #timeline: Timeline;
  readonly #tracer: Tracer;
  readonly #prng: Prng;
  readonly #transmitAlarm: Alarm;
  readonly #receiveAlarm: Alarm;
  #listener: CanListener | undefined;
  #rules: ArmedRule[] = [];
  #held: Held[] = [];
  #passed: Passed[] = [];
  #arrived: Arrived[] = [];
  #active = true;

  /** @param seed for the faults that are left to chance */
  constructor(inner: CanLink, config: FaultyCanLinkConfig, timeline: Timeline, tracer: Tracer, seed: number | string) {
    this.#inner = inner;
    this.#config = config;
    this.#timeline = timeline;
    this.#tracer = tracer;
    this.#prng = new Prng(seed);
    this.#transmitAlarm = timeline.alarm((now) => this.#goOn(now));
    this.#receiveAlarm = timeline.alarm((now) => this.#handOver(now));
    for (const rule of config.rules ?? []) this.arm(rule);
    inner.attach(this);
  }

  /** Adds a rule; its count begins now. Of several that match, the one armed first is applied. @throws {UsageError} */
  arm(rule: CanFaultRule): void {
    checkRule(rule);
    this.#rules.push({ rule, seen: 0 });
  }

  /** Takes all rules away. Frames that are held stay held. */
  disarm(): void {
    this.#rules = [];
  }

  attach(listener: CanListener): void {
    this.#listener = listener;
  }

  /** Frames that are held on either side are forgotten with the power of the node. */
  setActive(active: boolean): void {
    this.#active = active;
    if (!active) {
      this.#held = [];
      this.#passed = [];
      this.#arrived = [];
      this.#transmitAlarm.clear();
      this.#receiveAlarm.clear();
    }
    this.#inner.setActive(active);
  }

  transmit(frame: CanFrame): void {
    const rule = this.#rules.length === 0 || !this.#active ? undefined : this.#ruleFor(frame, "transmit");
    if (rule === undefined && this.#held.length === 0) {
      this.#pass(frame, frame);
      return;
    }
    if (this.#held.length >= HELD_MAX) throw new UsageError(`${this.#config.name}: over ${HELD_MAX} frames held`);
    const now = this.#timeline.now;
    const fault = rule?.fault;
    const sent = rule?.fault === "corrupt" ? this.#corrupted(frame, rule) : frame;
    this.#held.push({ asked: frame, sent, fault, until: holdUntil(rule, now) });
    this.#goOn(now);
  }

  abortAll(): void {
    this.#inner.abortAll();
    this.#transmitAlarm.clear();
    for (const { asked } of this.#held.splice(0)) this.#listener?.aborted(asked, this.#timeline.now);
  }

  received(frame: CanFrame, now: Instant): void {
    const rule = this.#rules.length === 0 ? undefined : this.#ruleFor(frame, "receive");
    if (rule === undefined && this.#arrived.length === 0) {
      this.#listener?.received(frame, now);
      return;
    }
    if (rule?.fault === "drop") return;
    if (this.#arrived.length >= HELD_MAX) {
      this.#record(frame, "overflow");
      return;
    }
    const changed = rule?.fault === "corrupt" ? this.#corrupted(frame, rule) : frame;
    const until = rule?.fault === "delay" ? plus(now, rule.delay ?? NO_TIME) : now;
    this.#arrived.push({ frame: changed, times: rule?.fault === "duplicate" ? 2 : 1, until });
    this.#handOver(now);
  }

  transmitted(frame: CanFrame, now: Instant): void {
    const asked = this.#take(frame);
    if (asked !== undefined) this.#listener?.transmitted(asked, now);
    this.#goOn(now);
  }

  aborted(frame: CanFrame, now: Instant): void {
    const asked = this.#take(frame);
    if (asked !== undefined) this.#listener?.aborted(asked, now);
    this.#goOn(now);
  }

  stateChanged(state: CanErrorState, now: Instant): void {
    this.#listener?.stateChanged?.(state, now);
  }

  save(): FaultyCanLinkState {
    return {
      rules: [...this.#rules],
      held: [...this.#held],
      passed: [...this.#passed],
      arrived: [...this.#arrived],
      active: this.#active,
      prng: this.#prng.save(),
    };
  }

  load(state: FaultyCanLinkState): void {
    this.#rules = [...state.rules];
    this.#held = [...state.held];
    this.#passed = [...state.passed];
    this.#arrived = [...state.arrived];
    this.#active = state.active;
    this.#prng.load(state.prng);
  }

  /** Passes on what may go on, in order; confirms the lost. */
  #goOn(now: Instant): void {
    for (let head = this.#held[0]; head !== undefined; head = this.#held[0]) {
      if (head.until !== undefined && head.until > now) {
        this.#transmitAlarm.set(head.until);
        return;
      }
      const lost = head.fault === "drop";
      if (lost && this.#passed.length > 0) return; // its turn comes when those before it are confirmed
      this.#held.shift();
      if (lost) {
        this.#listener?.transmitted(head.asked, now);
        continue;
      }
      this.#pass(head.sent, head.asked);
      if (head.fault === "duplicate") this.#pass({ ...head.sent }, undefined);
    }
  }

  #handOver(now: Instant): void {
    for (let head = this.#arrived[0]; head !== undefined; head = this.#arrived[0]) {
      if (head.until > now) {
        this.#receiveAlarm.set(head.until);
        return;
      }
      this.#arrived.shift();
      for (let time = 0; time < head.times; time++) this.#listener?.received(head.frame, now);
    }
  }

  #pass(sent: CanFrame, asked: CanFrame | undefined): void {
    const passed = { sent, asked };
    this.#passed.push(passed);
    try {
      this.#inner.transmit(sent);
    } catch (error) {
      this.#passed = this.#passed.filter((each) => each !== passed);
      throw error;
    }
  }

  /** Answers what the node had given, once. */
  #take(sent: CanFrame): CanFrame | undefined {
    const passed = this.#passed;
    if (passed.length === 1 && passed[0]?.sent === sent) return passed.pop()?.asked; // nearly always
    const index = passed.findIndex((each) => each.sent === sent);
    return index < 0 ? undefined : passed.splice(index, 1)[0]?.asked;
  }

  /** Counts the frame for every rule that it matches, and answers the first that befalls it. */
  #ruleFor(frame: CanFrame, direction: CanFaultRule["direction"]): CanFaultRule | undefined {
    let found: CanFaultRule | undefined;
    this.#rules = this.#rules.map((armed) => {
      const { rule, seen } = armed;
      if (!ruleMatches(rule, frame, direction)) return armed;
      if (found === undefined && seen + 1 >= (rule.occurrence ?? 1) && this.#isDrawn(rule)) found = rule;
      return { rule, seen: seen + 1 };
    });
    this.#rules = this.#rules.filter((armed) => !isSpent(armed));
    if (found !== undefined) this.#record(frame, found.fault);
    return found;
  }

  #isDrawn({ probability = 1 }: CanFaultRule): boolean {
    return probability >= 1 || this.#prng.below(2 ** 32) < probability * 2 ** 32;
  }

  #corrupted(frame: CanFrame, rule: CanFaultRule): CanFrame {
    const { length } = frame.data;
    if (length === 0) return frame;
    const data = frame.data.slice();
    const byte = rule.byte ?? this.#prng.below(length);
    if (byte < length) data[byte] = (data[byte] as number) ^ (rule.mask ?? 1 << this.#prng.below(8));
    return { ...frame, data };
  }

  #record({ id, flags, data }: CanFrame, fault: string): void {
    const { name, node } = this.#config;
    this.#tracer.record(this.#timeline.now, name, "can.fault", { node, fault, id, flags, data });
  }
}

function holdUntil(rule: CanFaultRule | undefined, now: Instant): Instant | undefined {
  if (rule?.fault === "drop") return plus(now, LOST_FRAME_TIME);
  return rule?.fault === "delay" ? plus(now, rule.delay ?? NO_TIME) : undefined;
}
