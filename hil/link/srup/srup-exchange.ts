import { createHash } from "node:crypto";
import { BenchError } from "../../../emulator/kernel/errors.ts";
import type { HostAnswer, SrupRequest } from "../../../gateway/source/host-request.ts";
import { HttpExchange } from "../http-exchange.ts";
import { failureOf, hostFailed } from "../http-failure.ts";
import type { DeviceSession, JoinEnd, PendingFile } from "./device-session.ts";
import { FILE_TIMEOUTS, type Got, getFollowing } from "./file-fetch.ts";

const SIGNATURE_MAX = 8 * 1024;

const NOT_JOINED: Readonly<Record<Exclude<JoinEnd, "joined">, readonly [code: string, reason: string]>> = {
  refused: ["HOST_PEER", "the server refused the join; it may be tried again"],
  failed: ["HOST_DEVICE_REFUSED", "the server let the join fail"],
  timeout: ["HOST_TIMEOUT", "the server did not answer the join"],
  key: ["HOST_PEER", "the key service does not know the server's key"],
  unreachable: ["HOST_REFUSED", "the broker can't be reached"],
};

/** Carries out one request of a session; each step gives one answer. */
export class SrupExchange {
  readonly #request: SrupRequest;
  readonly #session: DeviceSession;
  readonly #answers: AsyncGenerator<HostAnswer, void>;
  readonly #abandoned = Promise.withResolvers<HostAnswer>();
  #http: HttpExchange | undefined;

  constructor(request: SrupRequest, session: DeviceSession) {
    this.#request = request;
    this.#session = session;
    this.#answers = this.#run();
  }

  async next(): Promise<HostAnswer> {
    const answer = this.#answers.next().then(
      ({ value }): HostAnswer => value ?? { type: "end" },
      (error: unknown): HostAnswer =>
        error instanceof BenchError ? hostFailed(error.code, error.message) : failureOf(error),
    );
    return Promise.race([answer, this.#abandoned.promise]);
  }

  async abandon(): Promise<void> {
    this.#abandoned.resolve(hostFailed("HOST_FAILED", "the request was abandoned"));
    await this.#http?.abandon();
  }

  async *#run(): AsyncGenerator<HostAnswer, void> {
    const { method, verdict, waitMs } = this.#request;
    if (method === "report") {
      this.#session.report(verdict === "updated");
      yield { type: "head", status: 200, headers: {} };
      return;
    }
    const joined = await this.#session.joined();
    if (joined !== "joined") {
      const [code, reason] = NOT_JOINED[joined];
      yield hostFailed(code, reason);
      return;
    }
    const file = await this.#session.update(waitMs);
    if (file === undefined) yield { type: "head", status: 204, headers: {} };
    else if (method === "look") yield { type: "head", status: 200, headers: this.#named(file) };
    else yield* this.#fetch(file);
  }

  #named(file: PendingFile): Record<string, string> {
    const sha256 = this.#session.digestOf(file);
    return { version: sha256.slice(0, 16), sha256 };
  }

  /** A file that can't be had gives way to the next one that the server wants. */
  async *#fetch(first: PendingFile): AsyncGenerator<HostAnswer, void> {
    let file: PendingFile | undefined = first;
    while (file !== undefined) {
      const from = this.#goesOnAt(file);
      const got = await getFollowing(file.url, (url) => this.#begin(url, from, this.#request.bodyMax));
      if (got.type === "failed") {
        yield got;
        return;
      }
      if (got.head.status < 400) {
        yield* this.#transfer(file, got, from);
        return;
      }
      await got.http.abandon();
      this.#session.failed(file, "status");
      file = await this.#session.update(this.#request.waitMs);
    }
    yield { type: "head", status: 404, headers: { reason: "the file is not there any more" } };
  }

  /** The bytes from there on are missing, of those that this session has fetched of this very content. */
  #goesOnAt(file: PendingFile): number {
    const { resume } = this.#request;
    const held = this.#session.held.reduce((sum, piece) => sum + piece.length, 0);
    return resume !== undefined && resume.of === this.#session.digestOf(file) && resume.from <= held ? resume.from : 0;
  }

  #begin(url: string, from: number, bodyMax: number): HttpExchange {
    const headers: Record<string, string> = from > 0 ? { range: `bytes=${from}-` } : {};
    const { ca } = this.#request;
    const http = new HttpExchange(
      { kind: "http", method: "GET", url, headers, ca, tlsMin: "1.2", bodyMax },
      FILE_TIMEOUTS,
    );
    this.#http = http;
    return http;
  }

  async *#transfer(
    file: PendingFile,
    { http, head: { status, headers } }: Got,
    asked: number,
  ): AsyncGenerator<HostAnswer, void> {
    const from = status === 206 ? asked : 0;
    const size = sizeOf(headers, from);
    const named = { ...this.#named(file), from: String(from), ...(size !== undefined && { size: String(size) }) };
    const signature = await this.#signature(file.url);
    this.#http = http;
    if (size === 0) this.#session.failed(file, "storage");
    else if (size !== undefined && size > this.#request.bodyMax) this.#session.failed(file, "tooLarge");
    yield { type: "head", status, headers: { ...named, ...(signature !== undefined && { signature }) } };
    yield* this.#body(file, http, from);
  }

  async *#body(file: PendingFile, http: HttpExchange, from: number): AsyncGenerator<HostAnswer, void> {
    const hash = createHash("sha256");
    const { held } = this.#session;
    keep(held, from);
    for (const piece of held) hash.update(piece);
    for (let answer = await http.next(); answer.type !== "end"; answer = await http.next()) {
      if (answer.type === "body") {
        held.push(answer.data);
        hash.update(answer.data);
      } else if (answer.type === "failed" && answer.code === "HOST_BODY_TOO_LONG") {
        this.#session.failed(file, "tooLarge");
      }
      yield answer;
      if (answer.type === "failed") return;
    }
    if (!this.#session.downloaded(file, hash.digest("hex"))) {
      yield hostFailed("HOST_DIGEST", "the file is not the one that the server's message names");
    } else if (!(await this.#session.activated())) {
      yield hostFailed("HOST_SILENT", "the server never said that the file may be installed");
    }
  }

  /** What lies beside the file with ".sig", base64; most servers of this system have none. */
  async #signature(url: string): Promise<string | undefined> {
    const http = this.#begin(`${url}.sig`, 0, SIGNATURE_MAX);
    const parts: Uint8Array[] = [];
    for (let answer = await http.next(); answer.type !== "end"; answer = await http.next()) {
      if (answer.type === "failed" || (answer.type === "head" && answer.status !== 200)) {
        await http.abandon();
        return undefined;
      }
      if (answer.type === "body") parts.push(answer.data);
    }
    return Buffer.concat(parts).toString("base64");
  }
}

/** Length of the whole file, if the head tells. */
function sizeOf(headers: Readonly<Record<string, string>>, from: number): number | undefined {
  const length = headers["content-length"];
  return length === undefined ? undefined : Number(length) + from;
}

/** Cuts what has come to that length. */
function keep(held: Uint8Array[], length: number): void {
  let left = length;
  const kept = held.flatMap((piece) => {
    const part = piece.subarray(0, left);
    left -= part.length;
    return part.length === 0 ? [] : [part];
  });
  held.splice(0, held.length, ...kept);
}
