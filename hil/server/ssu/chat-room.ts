import type { AppFrame } from "../../../gateway/source/ssu/app-frames.ts";

/** One who is in the room. */
export interface ChatMember {
  readonly nick: string;
  /** @returns false when he is so far behind that he is put out */
  tell(frame: AppFrame): boolean;
  putOut(): void;
}

const MEMBERS_MAX = 200;
const HISTORY_MAX = 100;
const NICK = /^[\p{L}\p{N}][\p{L}\p{N} ._-]{0,31}$/u;
const SAY_MAX = 1024;
/** Who says what devices report; nobody else is called that. */
export const REPORTER = "report";

/** Two nicks that are alike in this are one. */
const foldedNick = (nick: string): string => nick.normalize("NFKC").toLowerCase();

/** Whether somebody may be called that. */
export const isNick = (nick: string): boolean =>
  NICK.test(nick) && nick === nick.normalize("NFC") && !nick.endsWith(" ");

/** What may be said: one line, 1 to 1024 characters, nothing that moves a terminal's cursor. */
export const isSayable = (text: string): boolean =>
  text.length > 0 && text.length <= SAY_MAX && !/[\p{Cc}\p{Cs}\u2028\u2029\u202a-\u202e\u2066-\u2069]/u.test(text);

/** The bench's shared log of its operators: all that is said is told to all, and the last of it to those who come. */
export class ChatRoom {
  readonly #members = new Set<ChatMember>();
  readonly #history: Extract<AppFrame, { type: "said" }>[] = [];
  readonly #now: () => number;
  #number = 0;

  /** @param now Unix time, ms */
  constructor(now: () => number) {
    this.#now = now;
  }

  get members(): number {
    return this.#members.size;
  }

  get history(): readonly Extract<AppFrame, { type: "said" }>[] {
    return this.#history;
  }

  /** @returns false when there is somebody of that name, or no room */
  join(member: ChatMember): boolean {
    if (this.#members.size >= MEMBERS_MAX) return false;
    const folded = foldedNick(member.nick);
    if (folded === REPORTER) return false;
    for (const { nick } of this.#members) if (foldedNick(nick) === folded) return false;
    this.#members.add(member);
    member.tell({ type: "welcome", members: this.#members.size });
    for (const said of this.#history) member.tell(said);
    this.#tellAll({ type: "joined", nick: member.nick }, member);
    return true;
  }

  leave(member: ChatMember): void {
    if (this.#members.delete(member)) this.#tellAll({ type: "left", nick: member.nick });
  }

  say(nick: string, text: string): void {
    const said = { type: "said", number: ++this.#number, at: this.#now(), nick, text } as const;
    this.#history.push(said);
    if (this.#history.length > HISTORY_MAX) this.#history.shift();
    this.#tellAll(said);
  }

  #tellAll(frame: AppFrame, besides?: ChatMember): void {
    const slow = [...this.#members].filter((member) => member !== besides && !member.tell(frame));
    for (const member of slow) {
      if (!this.#members.delete(member)) continue;
      member.putOut();
    }
    for (const { nick } of slow) this.#tellAll({ type: "left", nick });
  }
}
