import { LinkError, PeerError } from "../../../emulator/kernel/errors.ts";
import {
  type AppFrame,
  encodeFrame,
  type FileFacts,
  FrameReader,
  PREAMBLE,
} from "../../../gateway/source/ssu/app-frames.ts";
import { isFileName } from "../../../gateway/source/ssu/file-name.ts";
import { printable } from "../printable.ts";
import { SsuStream, type SsuStreamFacts, type SsuStreamOptions } from "./ssu-stream.ts";

/** The server has refused what was asked, or does not keep to the protocol. */
export class SsuAppError extends PeerError {
  override readonly code: string;
  override readonly clause = "docs/protocols/ssu.md, 8";
  /** The server's number for it; undefined when it was not the server that complained. */
  readonly reply: number | undefined;

  constructor(code: string, reason: string, reply?: number) {
    super(reason);
    this.code = code;
    this.reply = reply;
  }
}

const CODES: Readonly<Record<number, string>> = {
  1: "SSU_VERSION",
  2: "SSU_MALFORMED",
  3: "SSU_NOT_FOUND",
  4: "SSU_BAD_NAME",
  5: "SSU_TOO_LARGE",
  6: "SSU_DIGEST",
  7: "SSU_CHANGED",
  8: "SSU_BAD_OFFSET",
  9: "SSU_NOT_EARLY",
  10: "SSU_BUSY",
  11: "SSU_STORAGE",
  12: "SSU_NICK_TAKEN",
  13: "SSU_NOT_ALLOWED",
};

/** What a fetch begins with: all that is known of the file, and where the bytes begin. */
export interface FileHead {
  readonly size: number;
  readonly digest: Uint8Array;
  readonly offset: number;
}

const PIECE = 65_536;

/** The applications' client: files, reports, and the chat room. One thing at a time. (docs/protocols/ssu.md, 8) */
export class SsuClient {
  readonly stream: SsuStream;
  readonly #reader = new FrameReader();

  private constructor(stream: SsuStream) {
    this.stream = stream;
  }

  /** @throws {LinkError} as {@link SsuStream.connect} */
  static async connect(options: SsuStreamOptions): Promise<SsuClient> {
    const stream = await SsuStream.connect({ ...options, early: PREAMBLE });
    return new SsuClient(stream);
  }

  get facts(): SsuStreamFacts {
    return this.stream.facts;
  }

  async list(): Promise<FileFacts[]> {
    await this.#ask({ type: "list" });
    const files: FileFacts[] = [];
    for (;;) {
      const frame = await this.#answer("files", "end");
      if (frame.type === "end") return files;
      if (!frame.files.every(({ name }) => isFileName(name)))
        throw new SsuAppError("SSU_MALFORMED", "a file whose name is no name");
      files.push(...frame.files.map((facts) => ({ ...facts, digest: facts.digest.slice() })));
    }
  }

  /** @throws {SsuAppError} "SSU_NOT_FOUND" and so on */
  async stat(name: string): Promise<FileHead> {
    await this.#ask({ type: "stat", name });
    return headOf(await this.#answer("file"));
  }

  /**
   * Begins to fetch; the bytes come from {@link pieces}.
   * @param digest of the file that bytes before `offset` are of; left out for any
   */
  async get(name: string, offset = 0, digest: Uint8Array = new Uint8Array(32)): Promise<FileHead> {
    await this.#ask({ type: "get", offset, digest, name });
    const head = headOf(await this.#answer("file"));
    if (head.offset !== offset) throw new SsuAppError("SSU_MALFORMED", "the file begins elsewhere than asked for");
    return head;
  }

  /** The bytes of the file, to the end that was announced. */
  async *pieces(head: FileHead): AsyncGenerator<Uint8Array> {
    let at = head.offset;
    for (;;) {
      const frame = await this.#answer("data", "end");
      if (frame.type === "end") break;
      at += frame.data.length;
      if (at > head.size) break;
      yield frame.data;
    }
    if (at !== head.size) throw new SsuAppError("SSU_MALFORMED", `${at} bytes came of ${head.size}`);
  }

  /** @param read gives bytes from an offset on @returns the name that the file has on the server, and where it was resumed */
  async put(
    facts: FileFacts,
    read: (offset: number, length: number) => Uint8Array,
  ): Promise<{ name: string; offset: number }> {
    await this.#ask({ type: "put", ...facts });
    const { offset } = await this.#answer("ready");
    if (offset > facts.size) throw new SsuAppError("SSU_MALFORMED", "the server has more of it than there is");
    for (let at = offset; at < facts.size; ) {
      const data = read(at, Math.min(PIECE, facts.size - at));
      if (data.length === 0) throw new LinkError("SSU_FILE_CHANGED", "the file has become shorter");
      await this.#ask({ type: "data", data });
      at += data.length;
    }
    await this.#ask({ type: "end" });
    const { name } = await this.#answer("stored");
    return { name: shown(name), offset };
  }

  async report(text: string): Promise<void> {
    await this.#ask({ type: "report", text });
    await this.#answer("reported");
  }

  async join(nick: string): Promise<void> {
    await this.#ask({ type: "join", nick });
    await this.#answer("welcome");
  }

  async say(text: string): Promise<void> {
    await this.#ask({ type: "say", text });
  }

  /** What happens in the room; undefined when the stream has ended. */
  async heard(): Promise<Extract<AppFrame, { type: "said" | "joined" | "left" }> | undefined> {
    try {
      const heard = await this.#next(false, ["said", "joined", "left"]);
      const nick = shown(heard.nick);
      return heard.type === "said" ? { ...heard, nick, text: shown(heard.text) } : { ...heard, nick };
    } catch (error) {
      if (error instanceof SsuAppError && error.code === "SSU_ENDED") return undefined;
      throw error;
    }
  }

  /** Ends the stream in order, and gives the socket back. */
  async close(): Promise<void> {
    try {
      this.stream.end();
      await this.stream.finished();
      this.stream.close();
    } catch (error) {
      this.stream.abort();
      throw error;
    }
  }

  #ask(frame: AppFrame): Promise<void> {
    return this.stream.write(encodeFrame(frame));
  }

  #answer<Type extends AppFrame["type"]>(...types: readonly Type[]): Promise<Extract<AppFrame, { type: Type }>> {
    return this.#next(true, types);
  }

  async #next<Type extends AppFrame["type"]>(
    isDue: boolean,
    types: readonly Type[],
  ): Promise<Extract<AppFrame, { type: Type }>> {
    for (;;) {
      const frame = this.#reader.next();
      if (frame !== undefined) {
        if (types.some((type) => type === frame.type)) return frame as Extract<AppFrame, { type: Type }>;
        if (frame.type === "error") {
          throw new SsuAppError(CODES[frame.code] ?? "SSU_APP", shown(frame.reason), frame.code);
        }
        throw new SsuAppError(
          "SSU_MALFORMED",
          frame.type === "malformed" ? frame.reason : `"${frame.type}" is not due`,
        );
      }
      const data = await this.stream.read(isDue);
      if (data === undefined) throw new SsuAppError("SSU_ENDED", "the server has ended the stream");
      this.#reader.push(data);
    }
  }
}

const headOf = ({ size, digest, offset }: Extract<AppFrame, { type: "file" }>): FileHead => ({
  size,
  digest: digest.slice(),
  offset,
});

const SHOWN_MAX = 1024;

/** Text of a peer that is shown, and no more of it than anybody reads. */
const shown = (text: string): string => printable(text).slice(0, SHOWN_MAX).toWellFormed();
