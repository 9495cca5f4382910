import type { QuicClientSession, QuicStream } from "@currentspace/http3";
import { UsageError } from "../../../emulator/kernel/errors.ts";
import type { Instant } from "../../../emulator/kernel/time.ts";
import type { HostAnswer, RsuRequest } from "../../../gateway/source/host-request.ts";
import { REQUEST_STREAM, RsuClient, type RsuClientOutput } from "../../../gateway/source/rsu/rsu-client.ts";
import { BodyPieces } from "../body-pieces.ts";
import { isLastAnswer } from "../host-driver.ts";
import { hostFailed } from "../http-failure.ts";
import { closeFailure, quicConnect } from "./quic-connect.ts";

/** Of the protocol: what the original says, so that it takes us for one of its own. */
const PROTOCOL_VERSION = "2.0.0";
const ALPN = "rsu-protocol";
const DEFAULT_PORT = 4433;
const NS_PER_MS = 1_000_000;
const NOTHING = new Uint8Array(0);
/** A server that may wait hears so often that the device is there, milliseconds: well within its idle timeout. */
const KEEP_ALIVE_MS = 5_000;

/** One RSU exchange on a QUIC connection of its own: joins an {@link RsuClient} to the library and to the wall clock. */
export class RsuExchange {
  readonly #request: RsuRequest;
  readonly #keepAliveMs: number;
  readonly #client: RsuClient;
  readonly #answers: HostAnswer[] = [];
  readonly #pieces = new BodyPieces();
  readonly #streams = new Map<number, QuicStream>();
  #session: QuicClientSession | undefined;
  #timer: NodeJS.Timeout | undefined;
  #pulse: NodeJS.Timeout | undefined;
  #wake: () => void = () => {};
  #waiting = false;
  #ended = false;
  #closing: Promise<void> | undefined;
  readonly #gone = Promise.withResolvers<void>();

  constructor(request: RsuRequest, keepAliveMs = KEEP_ALIVE_MS) {
    this.#request = request;
    this.#keepAliveMs = keepAliveMs;
    const { method, target, version, resume, wait, bodyMax } = request;
    this.#client = new RsuClient({
      method,
      protocolVersion: PROTOCOL_VERSION,
      firmwareVersion: version,
      bodyMax,
      ...(target !== undefined && { target }),
      ...(resume !== undefined && { resume }),
      ...(wait !== undefined && { wait }),
    });
    void this.#run();
  }

  /** See {@link HostDriver.next}. */
  async next(): Promise<HostAnswer> {
    if (this.#waiting) throw new UsageError("the answer before is still being waited for");
    this.#waiting = true;
    try {
      for (;;) {
        const answer = this.#answers.shift();
        if (answer !== undefined) return answer;
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    } finally {
      this.#waiting = false;
    }
  }

  /** Resolves when the connection is gone: that is later than the last answer, since the server is to hear of it. */
  get gone(): Promise<void> {
    return this.#gone.promise;
  }

  /** Resolves when the connection is gone. */
  abandon(): Promise<void> {
    this.#answer(hostFailed("HOST_FAILED", "the request was abandoned"));
    if (this.#session !== undefined) void this.#close();
    return this.gone;
  }

  async #run(): Promise<void> {
    const { url, serverName, ca, identity } = this.#request;
    const { hostname, port } = new URL(url);
    const host = hostname.replace(/^\[|\]$/g, "");
    const peer = { host, port: Number(port || DEFAULT_PORT), serverName, ca, identity, alpn: ALPN };
    const connected = await quicConnect(peer);
    if ("type" in connected) {
      this.#answer(connected);
      this.#gone.resolve();
      return;
    }
    this.#session = connected;
    if (this.#ended) {
      await this.#close();
      return;
    }
    if (this.#request.wait !== undefined) this.#pulse = setInterval(() => connected.ping(), this.#keepAliveMs);
    connected.on("stream", (stream) => this.#listen(stream));
    connected.on("close", ({ errorCode }) => this.#closed(errorCode));
    try {
      this.#listen(connected.openStream(), REQUEST_STREAM);
    } catch {
      this.#closed(undefined); // the server has left already
      return;
    }
    this.#client.handle({ type: "connected" }, this.#now());
    this.#settle();
  }

  #listen(stream: QuicStream, id = stream.id): void {
    this.#streams.set(id, stream);
    const heard = (data: Uint8Array, fin: boolean): void => {
      this.#client.handle({ type: "data", stream: id, data, fin }, this.#now());
      this.#settle();
    };
    stream.on("data", (data: Buffer) => heard(new Uint8Array(data), false));
    stream.on("end", () => heard(NOTHING, true));
    stream.on("error", () => this.#closed(undefined));
  }

  #closed(errorCode: number | undefined): void {
    const failure = closeFailure(errorCode, true);
    // a server that wants our certificate says so after it has taken the connection
    if (failure !== undefined) this.#answer(failure);
    this.#client.handle({ type: "closed", reason: "" }, this.#now());
    this.#settle();
  }

  #settle(): void {
    for (let output = this.#client.poll(); output !== undefined; output = this.#client.poll()) this.#carryOut(output);
    clearTimeout(this.#timer);
    const deadline = this.#client.nextDeadline();
    if (deadline === undefined) return;
    const due = (): void => {
      this.#client.handleDeadline(this.#now());
      this.#settle();
    };
    this.#timer = setTimeout(due, Math.max(0, (deadline - this.#now()) / NS_PER_MS) + 1);
  }

  #carryOut(output: RsuClientOutput): void {
    switch (output.type) {
      case "write": {
        const stream = this.#streams.get(output.stream);
        if (output.fin) stream?.end(Buffer.from(output.data));
        else stream?.write(Buffer.from(output.data));
        return;
      }
      case "answer":
        this.#answer(output.answer);
        return;
      case "close":
        void this.#close();
    }
  }

  /** Bodies are cut into whole pieces; what does not fill one is given only when the answer ends well. */
  #answer(answer: HostAnswer): void {
    if (this.#ended) return;
    if (answer.type === "body") {
      for (const data of this.#pieces.add(answer.data)) this.#answers.push({ type: "body", data });
    } else {
      const rest = answer.type === "end" ? this.#pieces.rest() : undefined;
      if (rest !== undefined) this.#answers.push({ type: "body", data: rest });
      this.#answers.push(answer);
    }
    this.#ended = isLastAnswer(answer);
    this.#wake();
  }

  #close(): Promise<void> {
    clearTimeout(this.#timer);
    clearInterval(this.#pulse);
    const closing = this.#session?.close(0, "") ?? Promise.resolve();
    this.#closing ??= closing.catch(() => {}).finally(() => this.#gone.resolve());
    return this.#closing;
  }

  #now(): Instant {
    return Math.round(performance.now() * NS_PER_MS) as Instant;
  }
}
