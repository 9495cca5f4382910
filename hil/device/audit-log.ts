import { createHash } from "node:crypto";
import { closeSync, createReadStream, existsSync, fsyncSync, openSync, readSync, statSync, writeSync } from "node:fs";
import { z } from "zod";
import { FileError } from "../record/record-error.ts";
import type { StateFolder } from "./state-folder.ts";

const FILE = "audit.ndjson";
const HEAD = "audit-head.json";
/** The hash before the first record. */
const NO_HASH = "0".repeat(64);
/** Text of others is cut, so that a record stays far below this; longer lines are none of ours. */
const LINE_MAX = 16_384;
const TEXT_MAX = 500;
const TORN = "audit.torn";
const HEADLESS = "audit.headless";

const record = z.object({
  n: z.int().min(1),
  at: z.string(),
  user: z.string(),
  event: z.string(),
  outcome: z.string(),
  detail: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
  prev: z.string(),
  hash: z.string(),
});
const headSchema = z.strictObject({ n: z.int().min(0), hash: z.string() });

/** One thing that happened: who did it, what it was, how it ended ("ok", or the code of an error). */
export type AuditRecord = z.infer<typeof record>;
type Head = z.infer<typeof headSchema>;
export type AuditEntry = Pick<AuditRecord, "user" | "event" | "outcome"> & { readonly detail?: AuditRecord["detail"] };

interface AuditProblem {
  /** 1 for the first line; one behind the last one for an end that is missing. */
  readonly line: number;
  readonly code: /** The file ends within a line: power went while it was written. */
    | "AUDIT_LINE_TORN"
    /** The line is not what was written. */
    | "AUDIT_LINE_CHANGED"
    /** Lines before this one are missing, or have been put in another order. */
    | "AUDIT_LINE_MISSING"
    /** Lines that were there are not there any more. */
    | "AUDIT_END_MISSING";
  readonly reason: string;
}

/** What the whole log says, and what is wrong with it. */
export interface AuditCheck {
  /** The last ones. */
  readonly records: readonly AuditRecord[];
  readonly count: number;
  /** Torn lines that were found at a later start, and recorded then. */
  readonly mended: number;
  /** The first 100. */
  readonly problems: readonly AuditProblem[];
  /** Hash of the last record: noted elsewhere, it proves all that stands before it. */
  readonly head: string;
}

/**
 * A log that is only ever added to: one JSON object a line, each with the hash of the one before. `audit-head.json` keeps
 * how far it goes, so that a missing end is noticed too.
 */
export class AuditLog {
  readonly #folder: StateFolder;
  readonly #now: () => Date;

  constructor(folder: StateFolder, now: () => Date) {
    this.#folder = folder;
    this.#now = now;
  }

  /** On disk when it resolves. @throws {FileError} FILE_UNWRITABLE */
  append(entry: AuditEntry): Promise<void> {
    return this.#folder.inTurn("audit", () => {
      const tail = this.#tail();
      let { head } = tail;
      let text = tail.lacksNewline ? "\n" : "";
      for (const finding of findings(tail)) {
        const found = this.#line(head, finding);
        text += `${found.text}\n`;
        head = found.head;
      }
      const line = this.#line(head, entry);
      this.#write(`${text}${line.text}\n`);
      this.#folder.write(HEAD, line.head);
    });
  }

  /** Reads all of it. @param last how many records to hand out */
  async check(last: number): Promise<AuditCheck> {
    const head = this.#folder.read(HEAD, headSchema);
    const checker = new ChainChecker(head, last);
    if (existsSync(this.#folder.file(FILE)))
      await eachLine(this.#folder.file(FILE), (line, isWhole) => checker.take(line, isWhole));
    return checker.end();
  }

  #line(head: Head, { user, event, outcome, detail = {} }: AuditEntry): { text: string; head: Head } {
    const short = Object.fromEntries(
      Object.entries(detail).map(([name, value]) => [
        name,
        typeof value === "string" ? value.slice(0, TEXT_MAX) : value,
      ]),
    );
    const fields = {
      n: head.n + 1,
      at: this.#now().toISOString(),
      user: user.slice(0, 64),
      event,
      outcome,
      detail: short,
      prev: head.hash,
    };
    const content = JSON.stringify(fields);
    const hash = sha256(Buffer.from(content));
    return { text: `${content.slice(0, -1)},"hash":"${hash}"}`, head: { n: fields.n, hash } };
  }

  /**
   * Where the chain goes on: behind the last line, which may be one further than the head says when the power went
   * between the two; if it is not as far, lines were taken away, and that has to stay to be seen.
   */
  #tail(): Tail {
    const path = this.#folder.file(FILE);
    const kept = this.#folder.read(HEAD, headSchema);
    const known = kept ?? { n: 0, hash: NO_HASH };
    if (!existsSync(path)) return { head: known, lacksNewline: false, torn: undefined, headless: false };
    /** The first record is written before there is a head. */
    const end = (last: Head | undefined): Pick<Tail, "head" | "headless"> => {
      const head = further(known, last);
      return { head, headless: kept === undefined && head.n > 1 };
    };
    const bytes = readTail(path, 2 * LINE_MAX);
    const lastNewline = bytes.lastIndexOf(0x0a);
    const rest = bytes.subarray(lastNewline + 1);
    const whole = bytes.subarray(bytes.lastIndexOf(0x0a, lastNewline - 1) + 1, Math.max(lastNewline, 0));
    const ofRest = recordOf(rest);
    if (rest.length > 0 && ofRest !== undefined && isUnchanged(rest, ofRest))
      return { ...end(ofRest), lacksNewline: true, torn: undefined };
    return { ...end(recordOf(whole)), lacksNewline: rest.length > 0, torn: rest.length > 0 ? rest : undefined };
  }

  #write(text: string): void {
    const path = this.#folder.file(FILE);
    try {
      const file = openSync(path, "a", 0o600);
      try {
        const bytes = Buffer.from(text);
        for (let done = 0; done < bytes.length; ) done += writeSync(file, bytes, done);
        fsyncSync(file);
      } finally {
        closeSync(file);
      }
    } catch (cause) {
      throw new FileError("FILE_UNWRITABLE", `can't write ${path}: ${(cause as Error).message}`, { cause });
    }
  }
}

interface Tail {
  readonly head: Head;
  readonly lacksNewline: boolean;
  readonly torn: Buffer | undefined;
  /** The file that tells how far the log went is gone. */
  readonly headless: boolean;
}

/** What has to be recorded before anything else, so that a log that goes on does not hide it. */
function findings({ torn, headless }: Tail): AuditEntry[] {
  const found: AuditEntry[] = [];
  if (torn !== undefined) {
    const detail = { bytes: torn.length, sha256: sha256(torn) };
    found.push({ user: "", event: TORN, outcome: "AUDIT_LINE_TORN", detail });
  }
  if (headless) found.push({ user: "", event: HEADLESS, outcome: "AUDIT_END_MISSING" });
  return found;
}

const further = (known: Head, last: Head | undefined): Head =>
  last !== undefined && last.n > known.n ? { n: last.n, hash: last.hash } : known;

const PROBLEMS_MAX = 100;

/** Follows the chain, line by line. */
class ChainChecker {
  readonly #records: AuditRecord[] = [];
  readonly #problems: AuditProblem[] = [];
  readonly #head: Head | undefined;
  readonly #last: number;
  #previous: Head = { n: 0, hash: NO_HASH };
  /** A line that is no record: fine if the next record says that it was torn. */
  #odd: Buffer | undefined;
  #count = 0;
  #line = 0;
  #mended = 0;
  #passedHead = false;

  constructor(head: Head | undefined, last: number) {
    this.#head = head;
    this.#last = last;
    this.#passedHead = head === undefined || head.n === 0;
  }

  take(line: Buffer, isWhole: boolean): void {
    this.#line++;
    const read = recordOf(line);
    if (read === undefined || (!isWhole && !isUnchanged(line, read))) {
      this.#settleOdd(undefined);
      if (isWhole) this.#odd = line;
      else this.#blame("AUDIT_LINE_TORN", `the file ends after ${line.length} bytes of a line`);
      return;
    }
    this.#settleOdd(read);
    if (!isUnchanged(line, read))
      this.#blame("AUDIT_LINE_CHANGED", `record ${read.n} does not have the hash that it names`);
    if (read.prev !== this.#previous.hash || read.n !== this.#previous.n + 1)
      this.#blame("AUDIT_LINE_MISSING", `record ${read.n} does not follow record ${this.#previous.n}`);
    if (read.event === HEADLESS)
      this.#blame("AUDIT_END_MISSING", `when record ${read.n} was written, ${HEAD} was gone`);
    this.#previous = { n: read.n, hash: read.hash };
    if (read.n === this.#head?.n && read.hash === this.#head.hash) this.#passedHead = true;
    this.#count++;
    this.#records.push(read);
    if (this.#records.length > this.#last) this.#records.shift();
  }

  end(): AuditCheck {
    this.#settleOdd(undefined, 0);
    if (!this.#passedHead) {
      this.#line++;
      this.#blame("AUDIT_END_MISSING", `record ${this.#head?.n} was written and is not there as it was`);
    }
    // The first record is written before there is a head; power may have gone between them.
    if (this.#head === undefined && this.#previous.n > 1) {
      this.#line++;
      this.#blame("AUDIT_END_MISSING", `${HEAD} is gone, which tells how far the log went`);
    }
    return {
      records: this.#records,
      count: this.#count,
      mended: this.#mended,
      problems: this.#problems,
      head: this.#previous.hash,
    };
  }

  /** @param back how many lines before the one at hand it was */
  #settleOdd(next: AuditRecord | undefined, back = 1): void {
    const odd = this.#odd;
    if (odd === undefined) return;
    this.#odd = undefined;
    if (next?.event === TORN && next.detail.sha256 === sha256(odd)) this.#mended++;
    else this.#blame("AUDIT_LINE_CHANGED", "the line is no record", back);
  }

  #blame(code: AuditProblem["code"], reason: string, back = 0): void {
    if (this.#problems.length < PROBLEMS_MAX) this.#problems.push({ line: this.#line - back, code, reason });
  }
}

function recordOf(line: Uint8Array): AuditRecord | undefined {
  try {
    return record.parse(JSON.parse(Buffer.from(line).toString("utf8")));
  } catch {
    return undefined;
  }
}

/** The hash is over the line without it, byte for byte. */
function isUnchanged(line: Uint8Array, { hash }: AuditRecord): boolean {
  const text = Buffer.from(line);
  const end = `,"hash":"${hash}"}`;
  const content = text.subarray(0, Math.max(0, text.length - end.length));
  if (text.subarray(content.length).toString("utf8") !== end) return false;
  return sha256(Buffer.concat([content, Buffer.from("}")])) === hash;
}

const sha256 = (data: Uint8Array): string => createHash("sha256").update(data).digest("hex");

function readTail(path: string, lengthMax: number): Buffer {
  const size = statSync(path).size;
  const bytes = Buffer.alloc(Math.min(size, lengthMax));
  const file = openSync(path, "r");
  try {
    const length = readSync(file, bytes, 0, bytes.length, size - bytes.length);
    return bytes.subarray(0, length);
  } finally {
    closeSync(file);
  }
}

/** Lines longer than a record can be come cut. */
async function eachLine(path: string, take: (line: Buffer, isWhole: boolean) => void): Promise<void> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
    let from = 0;
    for (let end = chunk.indexOf(0x0a); end >= 0; end = chunk.indexOf(0x0a, from)) {
      take(cut(rest, chunk.subarray(from, end)), true);
      rest = Buffer.alloc(0);
      from = end + 1;
    }
    rest = cut(rest, chunk.subarray(from));
  }
  if (rest.length > 0) take(rest, false);
}

const cut = (rest: Buffer, more: Buffer): Buffer =>
  Buffer.concat([rest, more.subarray(0, Math.max(0, LINE_MAX + 1 - rest.length))]);
