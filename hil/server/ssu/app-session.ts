import { InvariantError, UsageError } from "../../../emulator/kernel/errors.ts";
import {
  AppError,
  type AppFrame,
  encodeFrame,
  type FileFacts,
  FRAME_MAX,
  FrameReader,
  type MalformedFrame,
  PREAMBLE,
} from "../../../gateway/source/ssu/app-frames.ts";
import { isFileName } from "../../../gateway/source/ssu/file-name.ts";
import { type ChatMember, type ChatRoom, isNick, isSayable, REPORTER } from "./chat-room.ts";
import { type FileStore, type OpenFile, receivedName, type Upload } from "./file-store.ts";

/** What a client has done, for those who watch. */
export type AppEvent =
  | {
      readonly type: "got";
      readonly name: string;
      readonly from: number;
      readonly size: number;
      readonly bytes: number;
    }
  | { readonly type: "stored"; readonly name: string; readonly size: number }
  | { readonly type: "refused"; readonly code: AppError; readonly reason: string }
  | { readonly type: "report"; readonly text: string };

export interface AppServices {
  readonly store: FileStore;
  /** Without one nobody can join. */
  readonly room: ChatRoom | undefined;
  /** The largest file that is taken, bytes; 0: none are. */
  readonly uploadMax: number;
  readonly onEvent: (event: AppEvent) => void;
  /** There is something to send that this client did not ask for just now. */
  readonly onFrames: () => void;
}

type Work =
  | { readonly name: "idle" }
  /** `until`: where the stream ends, if not at the end of the file. */
  | { readonly name: "sending"; readonly file: OpenFile; readonly from: number; at: number; readonly until?: number }
  | { readonly name: "receiving"; readonly upload: Upload; readonly facts: FileFacts; at: number };

/** Answers that wait to be sent: with more than that no further request is looked at; a chatter with more is put out. */
const BACKLOG_MAX = 65_536;
const CHAT_BACKLOG_MAX = 262_144;
const LIST_FRAME_FILES = 200;
/** What may be asked before the client has proven that it is there: it changes nothing, however often it is asked. */
const EARLY: readonly AppFrame["type"][] = ["list", "stat", "get"];

/** What one client may do: fetch and send files, say something in the room. Bytes of its stream in and out. */
export class AppSession {
  readonly #services: AppServices;
  readonly #reader = new FrameReader();
  readonly #backlog: Uint8Array[] = [];
  #backlogLength = 0;
  #greeted = false;
  #early = false;
  #work: Work = { name: "idle" };
  #member: ChatMember | undefined;
  /** Nothing more is read; what waits is still sent. */
  #over = false;
  #ended = false;

  constructor(services: AppServices) {
    this.#services = services;
  }

  /** No more data, please, until something has been sent. */
  get isBusy(): boolean {
    return this.#work.name === "sending" || (this.#member === undefined && this.#backlogLength > BACKLOG_MAX);
  }

  /** No faster than that, please. */
  get bytesPerSecond(): number | undefined {
    return this.#work.name === "sending" ? this.#work.file.bytesPerSecond : undefined;
  }

  /** All has been said, and the stream can be ended. */
  get isDone(): boolean {
    return (this.#over || this.#ended) && this.#backlogLength === 0 && this.#work.name !== "sending";
  }

  receive(data: Uint8Array, early: boolean): void {
    if (this.#over) return;
    this.#early = early;
    this.#reader.push(data);
    this.#readOn();
  }

  /** The client sends no more. */
  end(): void {
    this.#ended = true;
    this.#readOn();
  }

  /** The stream is gone. */
  close(): void {
    this.#over = true;
    this.#backlog.length = 0;
    this.#backlogLength = 0;
    this.#leaveWork();
    if (this.#member !== undefined) this.#services.room?.leave(this.#member);
    this.#member = undefined;
  }

  /** What is to be sent next. @param lengthMax there is room for */
  take(lengthMax: number): Uint8Array | undefined {
    const [first] = this.#backlog;
    if (first !== undefined) {
      const data = first.subarray(0, lengthMax);
      this.#backlogLength -= data.length;
      if (data.length === first.length) this.#backlog.shift();
      else this.#backlog[0] = first.subarray(data.length);
      return data;
    }
    const data = this.#work.name === "sending" ? this.#fromStore(() => this.#takeFile(lengthMax)) : undefined;
    if (data === undefined) this.#readOn();
    return data ?? (this.#backlog.length > 0 ? this.take(lengthMax) : undefined);
  }

  #readOn(): void {
    while (!this.#over && !this.isBusy) {
      if (!this.#greeted) {
        const preamble = this.#reader.takePreamble();
        if (preamble === undefined) return;
        this.#greet(preamble);
        continue;
      }
      const frame = this.#reader.next();
      if (frame === undefined) return;
      this.#frame(frame);
    }
  }

  #greet(preamble: Uint8Array): void {
    this.#greeted = true;
    if (preamble.every((byte, index) => byte === PREAMBLE[index])) return;
    const isOurs = preamble.subarray(0, 4).every((byte, index) => byte === PREAMBLE[index]);
    if (isOurs) this.#giveUp(AppError.Version, `version ${preamble[4]} is not spoken here, ${PREAMBLE[4]} is`);
    else this.#giveUp(AppError.Malformed, "that is not how a client begins");
  }

  #frame(frame: AppFrame | MalformedFrame): void {
    if (frame.type === "malformed") {
      this.#giveUp(AppError.Malformed, frame.reason);
    } else if (this.#early && !EARLY.includes(frame.type)) {
      this.#giveUp(AppError.NotEarly, `"${frame.type}" can't be asked in early data`);
    } else if (this.#work.name === "receiving") {
      const work = this.#work;
      this.#fromStore(() => this.#uploadFrame(frame, work));
    } else {
      this.#fromStore(() => this.#request(frame));
    }
  }

  /** A disk may fail at any time: that ends this client's stream, and nobody else's. */
  #fromStore<Result>(action: () => Result): Result | undefined {
    try {
      return action();
    } catch (error) {
      if (
        error instanceof InvariantError ||
        error instanceof UsageError ||
        !(error instanceof Error && "code" in error)
      )
        throw error;
      this.#giveUp(AppError.StorageFailed, "the file can't be stored or read");
      return undefined;
    }
  }

  #request(frame: AppFrame): void {
    switch (frame.type) {
      case "list":
        this.#list();
        return;
      case "stat":
      case "get":
        this.#get(frame);
        return;
      case "put":
        this.#put(frame);
        return;
      case "report":
        this.#report(frame.text);
        return;
      case "join":
        this.#join(frame.nick);
        return;
      case "say":
        this.#say(frame.text);
        return;
      case "data":
      case "end":
      case "files":
      case "file":
      case "ready":
      case "stored":
      case "reported":
      case "welcome":
      case "said":
      case "joined":
      case "left":
      case "error":
        this.#giveUp(AppError.Malformed, `"${frame.type}" is not for a server, or not now`);
    }
  }

  #list(): void {
    const files = this.#services.store.list();
    for (let at = 0; at < files.length; at += LIST_FRAME_FILES) {
      this.#send({ type: "files", files: files.slice(at, at + LIST_FRAME_FILES) });
    }
    this.#send({ type: "end" });
  }

  #get(frame: Extract<AppFrame, { type: "stat" | "get" }>): void {
    if (!isFileName(frame.name)) {
      this.#refuse(AppError.BadName, "that is no name of a file");
      return;
    }
    const file = this.#services.store.open(frame.name);
    if (file === undefined) {
      this.#refuse(AppError.NotFound, "there is no such file");
      return;
    }
    const { size, digest } = file.facts;
    if (frame.type === "stat") {
      file.close();
      this.#send({ type: "file", size, digest, offset: 0 });
      return;
    }
    const { offset } = frame;
    const fault = this.#getFault(frame, file.facts);
    if (fault !== undefined) {
      file.close();
      this.#refuse(...fault);
      return;
    }
    const until = file.breaksOffAt?.(offset);
    if (until === offset) {
      file.close();
      this.#over = true;
      return;
    }
    this.#send({ type: "file", size, digest, offset });
    this.#work = { name: "sending", file, from: offset, at: offset, ...(until !== undefined && { until }) };
  }

  #getFault(
    { offset, digest }: { offset: number; digest: Uint8Array },
    file: FileFacts,
  ): [code: AppError, reason: string] | undefined {
    const isAny = digest.every((byte) => byte === 0);
    if (!isAny && !digest.every((byte, index) => byte === file.digest[index])) {
      return [AppError.Changed, "the file is another one now"];
    }
    if (offset > file.size) return [AppError.BadOffset, `the file has ${file.size} bytes`];
    return undefined;
  }

  #takeFile(lengthMax: number): Uint8Array | undefined {
    const work = this.#work as Extract<Work, { name: "sending" }>;
    const { size, name } = work.file.facts;
    const length = Math.min(FRAME_MAX, (work.until ?? size) - work.at);
    if (length === 0 && work.until !== undefined) {
      this.#leaveWork();
      this.#over = true;
      return undefined;
    }
    if (length > 0) {
      const data = work.file.read(work.at, length);
      if (data.length < length) {
        this.#leaveWork();
        this.#giveUp(AppError.StorageFailed, "the file has become shorter");
        return undefined;
      }
      work.at += length;
      this.#queue(encodeFrame({ type: "data", data }));
      return this.take(lengthMax);
    }
    this.#services.onEvent({ type: "got", name, from: work.from, size, bytes: work.at - work.from });
    this.#leaveWork();
    this.#send({ type: "end" });
    return undefined;
  }

  #put({ name, size, digest }: Extract<AppFrame, { type: "put" }>): void {
    const { uploadMax, store } = this.#services;
    if (uploadMax === 0) {
      this.#refuse(AppError.NotAllowed, "files are not taken here");
      return;
    }
    if (!isFileName(name) || !isFileName(receivedName(name))) {
      this.#refuse(AppError.BadName, "that is no name of a file, or too long for one that is sent");
      return;
    }
    if (size > uploadMax) {
      this.#refuse(AppError.TooLarge, `files of up to ${uploadMax} bytes are taken`);
      return;
    }
    const facts = { name, size, digest: digest.slice() };
    const upload = store.receive(facts);
    if (upload === undefined) {
      this.#refuse(AppError.Busy, "this very file is being sent already");
      return;
    }
    this.#work = { name: "receiving", upload, facts, at: upload.offset };
    this.#send({ type: "ready", offset: upload.offset });
  }

  #uploadFrame(frame: AppFrame, work: Extract<Work, { name: "receiving" }>): void {
    if (frame.type === "data" && work.at + frame.data.length <= work.facts.size) {
      work.upload.write(frame.data);
      work.at += frame.data.length;
      return;
    }
    if (frame.type !== "end") {
      this.#giveUp(AppError.Malformed, "only data, and no more than announced, is due");
      return;
    }
    this.#work = { name: "idle" };
    const name = work.upload.finish();
    if (name === undefined) {
      this.#refuse(AppError.DigestWrong, "that is not the file that was announced");
      return;
    }
    this.#services.onEvent({ type: "stored", name, size: work.facts.size });
    this.#send({ type: "stored", name });
  }

  #report(text: string): void {
    this.#services.onEvent({ type: "report", text });
    this.#services.room?.say(REPORTER, isSayable(text) ? text : "(a report that can't be shown)");
    this.#send({ type: "reported" });
  }

  #join(nick: string): void {
    const { room } = this.#services;
    if (room === undefined) {
      this.#refuse(AppError.NotAllowed, "there is no chat room here");
      return;
    }
    if (this.#member !== undefined || !isNick(nick)) {
      this.#refuse(AppError.BadName, "that is no name for a chatter");
      return;
    }
    const member: ChatMember = {
      nick,
      tell: (frame) => {
        this.#send(frame);
        return this.#backlogLength <= CHAT_BACKLOG_MAX;
      },
      putOut: () => {
        this.#member = undefined;
        this.#backlog.length = 0;
        this.#backlogLength = 0;
        this.#giveUp(AppError.Busy, "too far behind");
      },
    };
    if (!room.join(member)) {
      this.#refuse(AppError.NickTaken, "there is somebody of that name");
      return;
    }
    this.#member = member;
  }

  #say(text: string): void {
    if (this.#member === undefined) {
      this.#refuse(AppError.NotAllowed, "join first");
      return;
    }
    if (!isSayable(text)) {
      this.#refuse(AppError.Malformed, "that can't be said");
      return;
    }
    this.#services.room?.say(this.#member.nick, text);
  }

  #refuse(code: AppError, reason: string): void {
    this.#services.onEvent({ type: "refused", code, reason });
    this.#send({ type: "error", code, reason });
  }

  /** What comes next can't be understood any more. */
  #giveUp(code: AppError, reason: string): void {
    this.#refuse(code, reason);
    this.#over = true;
    this.#leaveWork();
  }

  #leaveWork(): void {
    if (this.#work.name === "sending") this.#work.file.close();
    if (this.#work.name === "receiving") this.#work.upload.close();
    this.#work = { name: "idle" };
  }

  #send(frame: AppFrame): void {
    this.#queue(encodeFrame(frame));
  }

  #queue(data: Uint8Array): void {
    this.#backlog.push(data);
    this.#backlogLength += data.length;
    this.#services.onFrames();
  }
}
