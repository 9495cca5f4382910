import { setTimeout as pause } from "node:timers/promises";
import type { QuicServerSession, QuicStream } from "@currentspace/http3";
import type { Instant } from "../../../emulator/kernel/time.ts";
import { encodePdu, RsuType } from "../../../gateway/source/rsu/pdu.ts";
import {
  type RsuContent,
  RsuServer,
  type RsuServerEvent,
  type RsuServerInput,
  type RsuServerOutput,
} from "../../../gateway/source/rsu/rsu-server.ts";
import type { FaultSet } from "../server-faults.ts";
import { PacedSender } from "./paced-sender.ts";

/** What a connection needs of its server. */
export interface ConnectionHost {
  readonly find: (target: string | undefined) => RsuContent | undefined;
  readonly faults: () => FaultSet;
  readonly tell: (event: RsuServerEvent) => void;
  readonly closed: (code: number) => void;
}

const PROTOCOL_VERSION = "2.0.0";
const NS_PER_MS = 1_000_000;
const NOTHING = new Uint8Array(0);
/** What was written last needs so long to get away before a close. */
const LINGER_MS = 50;

/** Where a rate is set, segments are as short as gives that many. */
const SEGMENTS_PER_SECOND = 20;

type Segment = RsuServerOutput & { type: "segment" };

/** One exchange's way to the peer. */
interface Lane {
  readonly stream: QuicStream;
  /** Bytes of firmware sent in this exchange. */
  sent: number;
  /** The byte of it that the stream ends at, when it is to die. */
  readonly death: number | undefined;
  /** Segments leave one after the other. */
  queue: Promise<void>;
}

/** Joins an {@link RsuServer} to one QUIC connection and to the wall clock, with what is to go wrong on it. */
export class RsuConnection {
  readonly #session: QuicServerSession;
  readonly #host: ConnectionHost;
  readonly #machine: RsuServer;
  readonly #requests = new Map<number, QuicStream>();
  readonly #lanes = new Map<number, Lane>();
  readonly #sender: PacedSender;
  #target: string | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isClosing = false;
  #isClosed = false;

  constructor(session: QuicServerSession, host: ConnectionHost) {
    this.#session = session;
    this.#host = host;
    this.#sender = new PacedSender(session);
    const find = (target: string | undefined): RsuContent | undefined => host.find(target);
    const segmentMax = (): number => Math.ceil((this.#slow() ?? Number.POSITIVE_INFINITY) / SEGMENTS_PER_SECOND);
    this.#machine = new RsuServer({ protocolVersion: PROTOCOL_VERSION, find, segmentMax });
    session.on("stream", (stream) => this.#listen(stream));
    session.on("close", ({ errorCode }) => {
      this.#isClosed = true;
      clearTimeout(this.#timer);
      host.closed(errorCode ?? 0);
    });
    this.#handle({ type: "opened" });
  }

  /** There is something new. */
  published(): void {
    this.#handle({ type: "published" });
  }

  /** Data under way end with a FIN of its own first: the original dies of that, and would wait for ever without. */
  async close(): Promise<void> {
    if (this.#isClosing) return;
    this.#isClosing = true;
    clearTimeout(this.#timer);
    for (const { stream } of this.#lanes.values()) stream.end();
    if (this.#lanes.size > 0) await pause(LINGER_MS);
    if (!this.#isClosed) this.#session.close(1, "gone");
  }

  #listen(stream: QuicStream): void {
    const { id } = stream;
    this.#requests.set(id, stream);
    this.#hear(stream, id);
  }

  #hear(stream: QuicStream, id: number): void {
    stream.on("data", (data: Buffer) =>
      this.#handle({ type: "data", stream: id, data: new Uint8Array(data), fin: false }),
    );
    stream.on("end", () => this.#handle({ type: "data", stream: id, data: NOTHING, fin: true }));
    stream.on("error", () => this.#handle({ type: "reset", stream: id }));
    stream.on("close", () => this.#requests.delete(id));
  }

  #handle(input: RsuServerInput): void {
    if (this.#isClosed) return;
    this.#machine.handle(input, this.#now());
    this.#settle();
  }

  #settle(): void {
    for (let output = this.#machine.poll(); output !== undefined; output = this.#machine.poll()) this.#carryOut(output);
    clearTimeout(this.#timer);
    const deadline = this.#machine.nextDeadline();
    if (deadline === undefined || this.#isClosing || this.#isClosed) return;
    const due = (): void => {
      this.#machine.handleDeadline(this.#now());
      this.#settle();
    };
    this.#timer = setTimeout(due, Math.max(0, (deadline - this.#now()) / NS_PER_MS) + 1);
  }

  #carryOut(output: RsuServerOutput): void {
    switch (output.type) {
      case "answer": {
        const stream = this.#requests.get(output.exchange);
        if (output.fin) stream?.end(Buffer.from(output.data));
        else stream?.write(Buffer.from(output.data));
        return;
      }
      case "segment": {
        const lane = this.#lane(output);
        lane.queue = lane.queue.then(() => this.#send(lane, output)).catch(() => {});
        return;
      }
      case "event":
        if (output.event.type === "asked") this.#target = output.event.target;
        this.#host.tell(output.event);
        return;
      case "close":
        void pause(LINGER_MS).then(() => this.close());
    }
  }

  #lane({ exchange, offset }: Segment): Lane {
    const lane = this.#lanes.get(exchange);
    if (lane !== undefined) return lane;
    const stream = this.#session.openStream();
    this.#hear(stream, stream.id);
    const length = (this.#host.find(this.#target)?.data.length ?? 0) - offset;
    const death = this.#host.faults().takeDeath(this.#target ?? "", length);
    const fresh = { stream, sent: 0, death, queue: Promise.resolve() };
    this.#lanes.set(exchange, fresh);
    return fresh;
  }

  async #send(lane: Lane, segment: Segment): Promise<void> {
    const { exchange, data, length, paced, last } = segment;
    if (this.#isClosing || this.#isClosed) return;
    if (lane.death !== undefined && lane.sent + length > lane.death) {
      this.#die(lane, segment, lane.death - lane.sent);
      return;
    }
    if (paced) await this.#sender.send(lane.stream, data, last);
    else await written(lane.stream, data, last);
    lane.sent += length;
    if (last) this.#lanes.delete(exchange);
    const rate = this.#slow();
    if (rate !== undefined && !last) await new Promise((next) => setTimeout(next, (1000 * length) / rate));
    this.#handle({ type: "taken", exchange });
  }

  /** Bytes per second, when it is to be slow. */
  #slow(): number | undefined {
    return this.#host.faults().find("slow", this.#target ?? "")?.bytesPerSecond;
  }

  /** The stream ends in the middle of a PDU, with exactly so many bytes of firmware before it. */
  #die(lane: Lane, { data }: Segment, bytes: number): void {
    const whole = this.#cut(data, bytes);
    lane.stream.end(Buffer.concat([whole, data.subarray(0, 20)]));
    void pause(LINGER_MS).then(() => this.close());
  }

  #cut(data: Uint8Array, bytes: number): Uint8Array {
    if (bytes === 0) return NOTHING;
    const { payload } = JSON.parse(new TextDecoder().decode(data)) as { payload: string };
    const part = new Uint8Array(Buffer.from(payload, "base64").subarray(0, bytes));
    return encodePdu({ type: RsuType.StartSndData, payload: part });
  }

  #now(): Instant {
    return Math.round(performance.now() * NS_PER_MS) as Instant;
  }
}

/** Until the library has taken it. Never rejects: what became of the connection is told otherwise. */
function written(stream: QuicStream, data: Uint8Array, last: boolean): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const bytes = Buffer.from(data);
  stream.once("close", resolve);
  const done = (): void => {
    stream.off("close", resolve);
    resolve();
  };
  if (last) stream.end(bytes, done);
  else stream.write(bytes, done);
  return promise;
}
