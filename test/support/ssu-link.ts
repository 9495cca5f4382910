import { Prng } from "../../emulator/kernel/prng.ts";
import { Scheduler } from "../../emulator/kernel/scheduler.ts";
import { type Duration, type Instant, plus } from "../../emulator/kernel/time.ts";
import type { Alarm } from "../../emulator/kernel/timeline.ts";
import {
  type ListenerInput,
  type ListenerOptions,
  type ListenerOutput,
  SsuListener,
} from "../../gateway/source/ssu/listener.ts";
import { SsuSession } from "../../gateway/source/ssu/session.ts";
import type { ClientSide, SessionInput, SessionOutput } from "../../gateway/source/ssu/session-io.ts";
import { type SsuConfig, ssuConfig } from "../../gateway/source/ssu/ssu-config.ts";
import { nodeSsuCrypto } from "../../hil/crypto/ssu-crypto.ts";

/** What a way does to datagrams. Chances from 0 to 1. */
export interface LinkFaults {
  readonly loss?: number;
  readonly duplicate?: number;
  readonly corrupt?: number;
  /** So many of the datagrams come later than they would, by up to `jitter`. */
  readonly reorder?: number;
  readonly jitter?: Duration;
  /** Datagrams over it are swallowed, bytes. */
  readonly mtu?: number;
  /** Somebody on the way: what comes of a datagram; undefined: nothing. */
  readonly mangle?: (data: Uint8Array) => Uint8Array | undefined;
}

export interface LinkOptions extends LinkFaults {
  readonly seed?: number | string;
  /** One way. */
  readonly delay?: Duration;
  /** Bits a second, each way; as fast as can be if not given. A datagram has 28 bytes of headers on the wire. */
  readonly rate?: number;
  /** Datagrams that wait for their turn, bytes; further ones are lost. */
  readonly queue?: number;
}

const HEADERS = 28;

/** A way in one direction: queue, rate, delay and faults, in virtual time. */
class Way {
  faults: LinkFaults;
  readonly #options: LinkOptions;
  readonly #prng: Prng;
  readonly #scheduler: Scheduler;
  readonly #deliver: (data: Uint8Array) => void;
  readonly #alarms: Alarm[] = [];
  #freeAt = 0;
  lost = 0;

  constructor(scheduler: Scheduler, options: LinkOptions, name: string, deliver: (data: Uint8Array) => void) {
    this.#scheduler = scheduler;
    this.#options = options;
    this.faults = options;
    this.#prng = new Prng(`${options.seed ?? 1} ${name}`);
    this.#deliver = deliver;
  }

  send(data: Uint8Array): void {
    const { loss = 0, duplicate = 0, mtu = Number.POSITIVE_INFINITY } = this.faults;
    const passed = this.faults.mangle === undefined ? data : this.faults.mangle(data);
    if (passed === undefined || data.length > mtu || this.#chance(loss)) {
      this.lost++;
      return;
    }
    this.#pass(passed);
    if (this.#chance(duplicate)) this.#pass(passed);
  }

  #pass(data: Uint8Array): void {
    const { rate, queue = 64_000, delay = 0 } = this.#options;
    const { corrupt = 0, reorder = 0, jitter = 0 } = this.faults;
    const now = this.#scheduler.now;
    let sentAt: number = now;
    if (rate !== undefined) {
      const waiting = Math.max(0, this.#freeAt - now);
      if ((waiting * rate) / 8e9 > queue) {
        this.lost++;
        return;
      }
      this.#freeAt = Math.max(now, this.#freeAt) + Math.round(((data.length + HEADERS) * 8e9) / rate);
      sentAt = this.#freeAt;
    }
    const late = this.#chance(reorder) ? this.#prng.below(Math.max(1, jitter)) : 0;
    const sent = data.slice();
    if (this.#chance(corrupt)) {
      const at = this.#prng.below(sent.length);
      sent[at] = (sent[at] as number) ^ (1 << this.#prng.below(8));
    }
    this.#later(Math.round(sentAt + delay + late) as Instant, sent);
  }

  #chance(chance: number): boolean {
    return chance > 0 && this.#prng.below(1_000_000) < chance * 1_000_000;
  }

  /** Alarms are used again, so that there are no more of them than datagrams under way. */
  #later(at: Instant, data: Uint8Array): void {
    let held = data;
    const alarm = this.#alarms.pop();
    if (alarm !== undefined) {
      (alarm as Alarm & { hold(data: Uint8Array): void }).hold(data);
      alarm.set(at);
      return;
    }
    const inner = this.#scheduler.alarm(() => {
      const arrived = held;
      this.#alarms.push(mine);
      this.#deliver(arrived);
    });
    const mine = {
      set: (when: Instant) => inner.set(when),
      clear: () => inner.clear(),
      hold: (next: Uint8Array) => {
        held = next;
      },
    };
    mine.set(at);
  }
}

/** What one side of a simulated connection has seen. */
export class Seen {
  readonly events: Exclude<SessionOutput, { type: "datagram" | "data" }>[] = [];
  readonly pieces: Uint8Array[] = [];
  early = 0;

  take(output: SessionOutput): void {
    if (output.type === "data") {
      this.pieces.push(output.data);
      if (output.early) this.early += output.data.length;
    } else if (output.type !== "datagram") {
      this.events.push(output);
    }
  }

  get types(): string[] {
    return this.events.map(({ type }) => type);
  }

  get bytes(): Uint8Array {
    return new Uint8Array(Buffer.concat(this.pieces));
  }

  get failure(): { code: string; reason: string; alert?: number } | undefined {
    return this.events.flatMap((event) => (event.type === "failed" ? [event.failure] : []))[0];
  }

  has(type: SessionOutput["type"]): boolean {
    return this.types.includes(type);
  }
}

export interface SimClient {
  readonly session: SsuSession;
  readonly seen: Seen;
  readonly up: Way;
  readonly down: Way;
  push(input: SessionInput): void;
  /** Writes as there is room, then ends. */
  send(data: Uint8Array, end?: boolean): void;
}

export interface SimOptions extends LinkOptions {
  readonly config?: Partial<SsuConfig>;
  readonly listener?: Partial<ListenerOptions>;
  readonly serverConfig?: Partial<SsuConfig>;
}

/** A listener, any number of clients, and the ways between them, in virtual time. */
export class SsuWorld {
  readonly scheduler = new Scheduler();
  readonly listener: SsuListener;
  /** What the server saw, by session. */
  readonly served = new Map<number, Seen>();
  /** What it does with an output of a session, besides noting it. */
  onServer: (session: number, output: SessionOutput) => void = () => {};
  readonly #options: SimOptions;
  readonly #clients = new Map<string, SimClient>();
  readonly #alarm: Alarm;
  readonly #sending = new Map<number, { data: Uint8Array; at: number; end: boolean }>();

  constructor(options: SimOptions = {}) {
    this.#options = options;
    const config = ssuConfig(options.serverConfig ?? options.config ?? {});
    const crypto = seededCrypto(`${options.seed ?? 1} server`);
    this.listener = new SsuListener({ config, crypto, accepts: "either", ...options.listener });
    this.#alarm = this.scheduler.alarm((now) => {
      this.listener.handleDeadline(now);
      this.#settleServer();
    });
  }

  get now(): Instant {
    return this.scheduler.now;
  }

  connect(side: Partial<ClientSide> = {}, link: LinkOptions = this.#options, name?: string): SimClient {
    const address = name ?? `10.0.0.${this.#clients.size + 1}:4000`;
    const crypto = seededCrypto(`${this.#options.seed ?? 1} ${address}`);
    const config = ssuConfig(this.#options.config ?? {});
    const session = new SsuSession(config, crypto, { role: "client", security: 0, ...side }, this.now);
    const seen = new Seen();
    const up = new Way(this.scheduler, link, `up ${address}`, (data) => this.inject(data, address));
    const down = new Way(this.scheduler, link, `down ${address}`, (data) => push({ type: "datagram", data }));
    let waiting: { data: Uint8Array; at: number; end: boolean } | undefined;
    const fill = (): void => {
      if (waiting === undefined) return;
      waiting.at = fillSession(session, waiting, this.now);
      if (waiting.at === waiting.data.length) {
        if (waiting.end) session.handle({ type: "end" }, this.now);
        waiting = undefined;
      }
    };
    const settle = (): void => {
      do {
        for (let output = session.poll(); output !== undefined; output = session.poll()) {
          if (output.type === "datagram") up.send(output.data);
          else seen.take(output);
        }
        fill();
      } while (this.#again(session, seen, up));
      setAlarm(alarm, session.nextDeadline(), this.now);
    };
    const alarm = this.scheduler.alarm((now) => {
      session.handleDeadline(now);
      settle();
    });
    const push = (input: SessionInput): void => {
      session.handle(input, this.now);
      settle();
    };
    const send = (data: Uint8Array, end = true): void => {
      waiting = { data, at: 0, end };
      settle();
    };
    const client: SimClient = { session, seen, up, down, push, send };
    this.#clients.set(address, client);
    settle();
    return client;
  }

  /** A datagram arrives at the server, from wherever it says it is. */
  inject(data: Uint8Array, from: string): void {
    this.push({ type: "datagram", data, from });
  }

  push(input: ListenerInput): void {
    this.listener.handle(input, this.now);
    this.#settleServer();
  }

  /** The server writes as there is room, then ends. */
  serve(session: number, data: Uint8Array, end = true): void {
    this.#sending.set(session, { data, at: 0, end });
    this.#settleServer();
  }

  /** Runs until the condition holds, nothing is left to happen, or the time is over. @returns whether it holds */
  runUntil(done: () => boolean, limit: Duration): boolean {
    const end = plus(this.now, limit);
    while (!done()) {
      const next = this.scheduler.next;
      if (next === undefined || next > end) return done();
      this.scheduler.step();
    }
    return true;
  }

  run(span: Duration): void {
    this.scheduler.runUntil(plus(this.now, span));
  }

  #again(session: SsuSession, seen: Seen, up: Way): boolean {
    const output = session.poll();
    if (output === undefined) return false;
    if (output.type === "datagram") up.send(output.data);
    else seen.take(output);
    return true;
  }

  #settleServer(): void {
    let worked = true;
    while (worked) {
      for (let output = this.listener.poll(); output !== undefined; output = this.listener.poll()) this.#out(output);
      worked = false;
      for (const [id, sending] of this.#sending) {
        const session = this.listener.session(id);
        if (session === undefined) continue;
        const before = sending.at;
        sending.at = this.#fillServer(id, session, sending);
        worked ||= sending.at > before;
        if (sending.at < sending.data.length) continue;
        this.#sending.delete(id);
        if (sending.end) {
          this.listener.handle({ type: "session", session: id, input: { type: "end" } }, this.now);
          worked = true;
        }
      }
    }
    setAlarm(this.#alarm, this.listener.nextDeadline(), this.now);
  }

  #fillServer(id: number, session: SsuSession, { data, at }: { data: Uint8Array; at: number }): number {
    let next = at;
    while (next < data.length && session.room > 0) {
      const end = Math.min(data.length, next + session.room);
      const input = { type: "write", data: data.subarray(next, end) } as const;
      this.listener.handle({ type: "session", session: id, input }, this.now);
      next = end;
    }
    return next;
  }

  #out(output: ListenerOutput): void {
    if (output.type === "datagram") {
      this.#clients.get(output.to)?.down.send(output.data);
    } else if (output.type === "accepted") {
      this.served.set(output.session, new Seen());
    } else {
      this.served.get(output.session)?.take(output.output);
      this.onServer(output.session, output.output);
    }
  }
}

function fillSession(session: SsuSession, { data, at }: { data: Uint8Array; at: number }, now: Instant): number {
  let next = at;
  while (next < data.length && session.room > 0) {
    const end = Math.min(data.length, next + session.room);
    session.handle({ type: "write", data: data.subarray(next, end) }, now);
    next = end;
  }
  return next;
}

function setAlarm(alarm: Alarm, at: Instant | undefined, now: Instant): void {
  if (at === undefined) alarm.clear();
  else alarm.set(Math.max(at, now) as Instant);
}

/** Cryptography whose chance comes from a seed. */
export const seededCrypto = (seed: string): ReturnType<typeof nodeSsuCrypto> => {
  const prng = new Prng(seed);
  return nodeSsuCrypto((length) => prng.bytes(length));
};
