import { StringDecoder } from "node:string_decoder";
import { UsageError } from "../../emulator/kernel/errors.ts";

/** A person, or a script in a person's place. */
export interface Terminal {
  write(text: string): void;
  /** One line. @returns undefined when there will be no more */
  line(prompt: string): Promise<string | undefined>;
  /** One line that is not shown while it is typed. @returns undefined when there will be no more */
  secret(prompt: string): Promise<string | undefined>;
  /** Gives the input back, so that the program can end. */
  close(): void;
}

/** Of standard input, as far as it is used here; `setRawMode` is there when it is a terminal. */
interface TerminalInput {
  on(event: "data", take: (chunk: Uint8Array) => void): unknown;
  on(event: "end" | "close", take: () => void): unknown;
  pause(): unknown;
  resume(): unknown;
  readonly isTTY?: boolean;
  setRawMode?(on: boolean): unknown;
}

interface TerminalOutput {
  write(text: string): unknown;
}

/** Nobody types that much; a file that is no list of answers does not fill the memory. */
const INPUT_MAX = 65_536;

const INTERRUPT = "\u0003";
const END_OF_INPUT = "\u0004";
const ERASE = ["\u007f", "\b"];
const ERASE_LINE = "\u0015";

/** Nothing is read before something is asked. */
export function openTerminal(input: TerminalInput, output: TerminalOutput): Terminal {
  return new StreamTerminal(input, output);
}

class StreamTerminal implements Terminal {
  readonly #input: TerminalInput;
  readonly #output: TerminalOutput;
  readonly #decoder = new StringDecoder("utf8");
  #text = "";
  #ended = false;
  /** A CR was the last that came: an LF that comes first is of the same end of line. */
  #splitEnd = false;
  #listening = false;
  #wake: () => void = () => {};

  constructor(input: TerminalInput, output: TerminalOutput) {
    this.#input = input;
    this.#output = output;
  }

  write(text: string): void {
    this.#output.write(text);
  }

  async line(prompt: string): Promise<string | undefined> {
    this.#output.write(prompt);
    for (;;) {
      const line = this.#takeLine();
      if (line !== undefined) return line;
      if (this.#ended) return this.#takeRest();
      await this.#more();
    }
  }

  async secret(prompt: string): Promise<string | undefined> {
    if (this.#input.isTTY !== true) return this.line(prompt);
    // before the prompt: whoever types as soon as it is there must not see it
    this.#input.setRawMode?.(true);
    this.#output.write(prompt);
    try {
      return await this.#typed();
    } finally {
      this.#input.setRawMode?.(false);
      this.#output.write("\n");
    }
  }

  close(): void {
    this.#input.pause();
    this.#wake();
  }

  /** In raw mode keys come as they are; correcting them is up to us. */
  async #typed(): Promise<string | undefined> {
    const typed: string[] = [];
    for (;;) {
      const end = this.#takeKeys(typed);
      if (end === "line") return typed.join("");
      if (end === "nothing" || this.#ended) return undefined;
      await this.#more();
    }
  }

  /** What is behind the end of the line stays for the next question. @throws {UsageError} for ^C */
  #takeKeys(typed: string[]): "line" | "nothing" | "more" {
    while (this.#text !== "") {
      const key = String.fromCodePoint(this.#text.codePointAt(0) as number);
      this.#text = this.#text.slice(this.#text.startsWith("\r\n") ? 2 : key.length);
      if (key === INTERRUPT) throw new UsageError("interrupted");
      if (key === END_OF_INPUT && typed.length === 0) return "nothing";
      if (key === "\r" || key === "\n") return "line";
      edit(typed, key);
    }
    return "more";
  }

  #takeLine(): string | undefined {
    const end = this.#text.search(/[\r\n]/);
    if (end < 0) return undefined;
    const line = this.#text.slice(0, end);
    const length = this.#text.startsWith("\r\n", end) ? 2 : 1;
    // on a terminal an end of line is one character, and the next one an answer of its own
    this.#splitEnd = this.#input.isTTY !== true && this.#text.slice(end) === "\r";
    this.#text = this.#text.slice(end + length);
    return line;
  }

  #takeRest(): string | undefined {
    const rest = this.#text;
    this.#text = "";
    return rest === "" ? undefined : rest;
  }

  async #more(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    this.#listen();
    this.#input.resume();
    await promise;
    this.#input.pause();
    if (this.#text.length > INPUT_MAX) throw new UsageError(`a line of more than ${INPUT_MAX} characters`);
  }

  #listen(): void {
    if (this.#listening) return;
    this.#listening = true;
    this.#input.on("data", (chunk) => {
      const more = this.#decoder.write(Buffer.from(chunk));
      this.#text += this.#splitEnd && more.startsWith("\n") ? more.slice(1) : more;
      this.#splitEnd = false;
      this.#wake();
    });
    for (const event of ["end", "close"] as const) {
      this.#input.on(event, () => {
        this.#ended = true;
        this.#wake();
      });
    }
  }
}

function edit(typed: string[], key: string): void {
  if (ERASE.includes(key)) typed.pop();
  else if (key === ERASE_LINE) typed.length = 0;
  else if (key >= " ") typed.push(key);
}
