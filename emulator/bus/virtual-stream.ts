import { UsageError } from "../kernel/errors.ts";
import type { Stateful } from "../kernel/machine.ts";
import { type Duration, type Instant, RUN_START } from "../kernel/time.ts";
import type { Alarm, Timeline } from "../kernel/timeline.ts";
import type { Tracer } from "../kernel/trace.ts";
import type { StreamLink, StreamListener } from "./link.ts";

export interface VirtualStreamConfig {
  readonly name: string;
  /** Names of the two ends in the trace. */
  readonly client: string;
  readonly server: string;
  /** One way. */
  readonly latency: Duration;
  /** Each way; undefined: as fast as can be. */
  readonly bytesPerSecond?: number;
}

/** The server's end, which can stop taking connections. */
export interface ServerStreamLink extends StreamLink {
  /** While nobody listens, a client's `open` is "refused". A connection that is open stays so. */
  setListening(listening: boolean): void;
}

/** Something on its way to an end, due at `at`. Of connection `connection`; what is of another one is not delivered. */
type Arrival = { readonly at: Instant; readonly connection: number } & (
  | { readonly type: "open" | "opened" | "refused" }
  | { readonly type: "data"; readonly data: Uint8Array }
  | { readonly type: "closed"; readonly reason: string }
);
type Closed = Extract<Arrival, { type: "closed" }>;

interface StreamEndState {
  readonly phase: "closed" | "opening" | "open";
  readonly connection: number;
  readonly arrivals: readonly Arrival[];
  readonly lineFreeAt: Instant;
}

export interface VirtualStreamState {
  readonly client: StreamEndState;
  readonly server: StreamEndState;
  readonly listening: boolean;
  readonly connections: number;
}

/** How many bytes may be on their way to one end. */
const IN_FLIGHT_MAX = 64 * 1024 * 1024;

/**
 * A stream of bytes between two ends, one connection at a time, such as TCP over a cable without loss.
 *
 * The server is told of a connection one latency after `open`, the client two latencies after it. Everything arrives in
 * the order in which it was sent, the end of the connection behind the last byte. Nothing that belongs to a closed
 * connection is delivered to the next.
 */
export class VirtualStream implements Stateful<VirtualStreamState> {
  readonly name: string;
  readonly client: StreamLink;
  readonly server: ServerStreamLink;
  readonly #client: End;
  readonly #server: End;
  readonly #tracer: Tracer;
  readonly #timeline: Timeline;
  readonly #ends: { readonly client: string; readonly server: string };
  #listening = true;
  #connections = 0;

  constructor(config: VirtualStreamConfig, timeline: Timeline, tracer: Tracer) {
    this.name = config.name;
    this.#timeline = timeline;
    this.#tracer = tracer;
    this.#client = new End(this, "client", config, timeline);
    this.#server = new End(this, "server", config, timeline);
    this.#client.peer = this.#server;
    this.#server.peer = this.#client;
    this.client = this.#client;
    this.server = this.#server;
    this.#ends = { client: config.client, server: config.server };
  }

  /**
   * A fault: the connection ends at once for both, and what is on its way is lost. Harmless when none is open.
   * @param reason what both are told: "reset" or "timeout"
   */
  sever(reason: string): void {
    const connected = this.#client.phase !== "closed" || this.#server.phase !== "closed";
    this.#client.sever(reason);
    this.#server.sever(reason);
    if (connected) this.recordClosed("fault", reason);
  }

  /** @internal for {@link End} */
  setListening(listening: boolean): void {
    this.#listening = listening;
  }

  /** @internal for {@link End} */
  get listening(): boolean {
    return this.#listening;
  }

  /** @internal for {@link End}: the number of a new connection. */
  nextConnection(): number {
    return ++this.#connections;
  }

  /** @internal for {@link End} */
  recordOpened(): void {
    this.#tracer.record(this.#timeline.now, this.name, "stream.opened", this.#ends);
  }

  /** @internal for {@link End} */
  recordData(from: "client" | "server", data: Uint8Array): void {
    this.#tracer.record(this.#timeline.now, this.name, "stream.data", { from, data });
  }

  /** @internal for {@link End} */
  recordClosed(by: "client" | "server" | "fault", reason: string): void {
    this.#tracer.record(this.#timeline.now, this.name, "stream.closed", { by, reason });
  }

  save(): VirtualStreamState {
    return {
      client: this.#client.save(),
      server: this.#server.save(),
      listening: this.#listening,
      connections: this.#connections,
    };
  }

  load(state: VirtualStreamState): void {
    this.#client.load(state.client);
    this.#server.load(state.server);
    this.#listening = state.listening;
    this.#connections = state.connections;
  }
}

class End implements ServerStreamLink, Stateful<StreamEndState> {
  readonly #stream: VirtualStream;
  readonly #role: "client" | "server";
  readonly #latency: Duration;
  readonly #nsPerByte: number;
  readonly #timeline: Timeline;
  readonly #alarm: Alarm;
  peer!: End;
  phase: "closed" | "opening" | "open" = "closed";
  #listener: StreamListener | undefined;
  #connection = 0;
  /** What is on its way to this end, in order. */
  #arrivals: Arrival[] = [];
  #arrivingBytes = 0;
  /** When what this end has sent has left it. */
  #lineFreeAt: Instant = RUN_START;

  constructor(stream: VirtualStream, role: "client" | "server", config: VirtualStreamConfig, timeline: Timeline) {
    this.#stream = stream;
    this.#role = role;
    this.#latency = config.latency;
    this.#nsPerByte = config.bytesPerSecond === undefined ? 0 : 1e9 / config.bytesPerSecond;
    this.#timeline = timeline;
    this.#alarm = timeline.alarm((now) => this.#arrive(now));
  }

  attach(listener: StreamListener): void {
    this.#listener = listener;
  }

  setListening(listening: boolean): void {
    this.#stream.setListening(listening);
  }

  open(): void {
    if (this.#role === "server") throw new UsageError(`${this.#stream.name}: a connection is opened by its client`);
    if (this.phase !== "closed") return;
    this.phase = "opening";
    this.#connection = this.#stream.nextConnection();
    this.#give({ type: "open", at: this.#arrivalOf(0), connection: this.#connection });
  }

  send(data: Uint8Array): void {
    if (this.phase !== "open" || data.length === 0) return;
    if (this.peer.#arrivingBytes + data.length > IN_FLIGHT_MAX) {
      throw new UsageError(`${this.#stream.name}: over ${IN_FLIGHT_MAX} bytes on their way`);
    }
    this.peer.#arrivingBytes += data.length;
    this.#give({ type: "data", at: this.#arrivalOf(data.length), connection: this.#connection, data });
  }

  close(): void {
    if (this.phase === "closed") return;
    this.#give({ type: "closed", at: this.#arrivalOf(0), connection: this.#connection, reason: "remote" });
    const connection = this.#connection;
    this.#arrivals = this.#arrivals.filter((arrival) => isOwnEnd(arrival) || arrival.connection !== connection);
    this.#stream.recordClosed(this.#role, "closed");
    this.#end("local");
  }

  /** Both ends at once, with everything that is on its way. */
  sever(reason: string): void {
    this.#arrivals = this.#arrivals.filter(isOwnEnd);
    this.#lineFreeAt = this.#timeline.now;
    this.#end(reason);
  }

  save(): StreamEndState {
    return {
      phase: this.phase,
      connection: this.#connection,
      arrivals: [...this.#arrivals],
      lineFreeAt: this.#lineFreeAt,
    };
  }

  load(state: StreamEndState): void {
    this.phase = state.phase;
    this.#connection = state.connection;
    this.#arrivals = [...state.arrivals];
    this.#arrivingBytes = bytesIn(this.#arrivals);
    this.#lineFreeAt = state.lineFreeAt;
  }

  /** Ends this end's side at once; its listener is told in a moment of its own, at this same instant. */
  #end(reason: string): void {
    this.#arrivingBytes = bytesIn(this.#arrivals);
    if (this.phase !== "closed") {
      this.phase = "closed";
      this.#arrivals.unshift({ type: "closed", at: this.#timeline.now, connection: this.#connection, reason });
    }
    this.#rearm();
  }

  /** When something of that length is at the other end, behind everything sent before. */
  #arrivalOf(length: number): Instant {
    const start = Math.max(this.#lineFreeAt, this.#timeline.now);
    this.#lineFreeAt = Math.ceil(start + length * this.#nsPerByte) as Instant;
    return (this.#lineFreeAt + this.#latency) as Instant;
  }

  #give(arrival: Arrival): void {
    this.peer.#arrivals.push(arrival);
    this.peer.#rearm();
  }

  #rearm(): void {
    const first = this.#arrivals[0];
    if (first === undefined) this.#alarm.clear();
    else this.#alarm.set(first.at);
  }

  /** One arrival an alarm, so that what it leads to is done before the next. */
  #arrive(now: Instant): void {
    const arrival = this.#arrivals.shift();
    if (arrival === undefined) return;
    this.#rearm();
    switch (arrival.type) {
      case "open":
        this.#asked(arrival.connection, now);
        return;
      case "opened":
        if (this.phase !== "opening" || arrival.connection !== this.#connection) return;
        this.phase = "open";
        this.#stream.recordOpened();
        this.#listener?.opened(now);
        return;
      case "refused":
        if (this.phase !== "opening" || arrival.connection !== this.#connection) return;
        this.phase = "closed";
        this.#stream.recordClosed("server", "refused");
        this.#listener?.closed("refused", now);
        return;
      case "data":
        this.#arrivingBytes -= arrival.data.length;
        if (this.phase !== "open" || arrival.connection !== this.#connection) return;
        this.#stream.recordData(this.#role === "client" ? "server" : "client", arrival.data);
        this.#listener?.received(arrival.data, now);
        return;
      case "closed":
        this.#ended(arrival, now);
        return;
    }
  }

  #asked(connection: number, now: Instant): void {
    if (!this.#stream.listening) {
      this.#give({ type: "refused", at: this.#arrivalOf(0), connection });
      return;
    }
    this.phase = "open";
    this.#connection = connection;
    this.#give({ type: "opened", at: this.#arrivalOf(0), connection });
    this.#listener?.opened(now);
  }

  #ended(arrival: Closed, now: Instant): void {
    if (!isOwnEnd(arrival)) {
      if (this.phase === "closed" || arrival.connection !== this.#connection) return;
      this.phase = "closed";
    }
    this.#listener?.closed(arrival.reason, now);
  }
}

/** What this end did to itself: its listener is always told. */
const isOwnEnd = (arrival: Arrival): boolean => arrival.type === "closed" && arrival.reason !== "remote";

const bytesIn = (arrivals: readonly Arrival[]): number =>
  arrivals.reduce((sum, arrival) => sum + (arrival.type === "data" ? arrival.data.length : 0), 0);
