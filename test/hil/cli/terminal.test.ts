import { PassThrough } from "node:stream";
import { describe, expect, it } from "vitest";
import { openTerminal } from "../../../hil/cli/terminal.ts";

/** A keyboard and a screen. */
class Desk extends PassThrough {
  readonly isTTY: boolean;
  readonly modes: boolean[] = [];
  readonly screen: string[] = [];
  readonly terminal;

  constructor(isTTY = true) {
    super();
    this.isTTY = isTTY;
    this.terminal = openTerminal(this, { write: (text) => this.screen.push(text) });
  }

  setRawMode(on: boolean): void {
    this.modes.push(on);
  }

  /** What is typed after a question has been asked. */
  type(...chunks: (string | Uint8Array)[]): void {
    void chunks.reduce<Promise<void>>(async (before, chunk) => {
      await before;
      this.write(chunk);
      await new Promise(setImmediate);
    }, Promise.resolve());
  }
}

describe("a terminal", () => {
  it("asks, and takes a line for an answer", async () => {
    const desk = new Desk();
    desk.type("one\n");
    expect(await desk.terminal.line("what? ")).toBe("one");
    expect(desk.screen).toEqual(["what? "]);
    expect(desk.modes).toEqual([]);
  });

  it("takes answers from a pipe one after the other, whatever ends the lines, and the last without an end", async () => {
    const desk = new Desk(false);
    desk.end("one\r\ntwo\rthree\n\nfour");
    const answers: (string | undefined)[] = [];
    for (let asked = 0; asked < 7; asked++) answers.push(await desk.terminal.line(""));
    expect(answers).toEqual(["one", "two", "three", "", "four", undefined, undefined]);
  });

  it("takes CR and LF for one end of a line, also when they come apart", async () => {
    const desk = new Desk(false);
    desk.type("one\r", "\ntwo\r", "\n");
    expect(await desk.terminal.line("")).toBe("one");
    expect(await desk.terminal.line("")).toBe("two");
  });

  it("keeps a letter together that comes in two pieces", async () => {
    const desk = new Desk();
    const bytes = Buffer.from("M\u00fcnchen\n");
    desk.type(bytes.subarray(0, 2), bytes.subarray(2));
    expect(await desk.terminal.line("")).toBe("M\u00fcnchen");
  });

  it("shows nothing of a password, and lets it be corrected", async () => {
    const desk = new Desk();
    desk.type("wrong", "\u0015", "corrext", "\u007f\u007f\bect\u001b", "\r");
    expect(await desk.terminal.secret("password: ")).toBe("correct");
    expect(desk.screen).toEqual(["password: ", "\n"]);
    expect(desk.modes).toEqual([true, false]);
  });

  it("takes a password from a pipe, without touching any mode", async () => {
    const desk = new Desk(false);
    desk.end("secret\nnext\n");
    expect(await desk.terminal.secret("password: ")).toBe("secret");
    expect(await desk.terminal.line("")).toBe("next");
    expect(desk.modes).toEqual([]);
  });

  it("shows typing again when a password is given up by ^C or ^D, or the line is cut", async () => {
    const interrupted = new Desk();
    interrupted.type("half\u0003");
    await expect(interrupted.terminal.secret("")).rejects.toMatchObject({ code: "USAGE" });
    const given = new Desk();
    given.type("\u0004");
    expect(await given.terminal.secret("")).toBeUndefined();
    const cut = new Desk();
    cut.end("half");
    expect(await cut.terminal.secret("")).toBeUndefined();
    for (const desk of [interrupted, given, cut]) expect(desk.modes).toEqual([true, false]);
  });

  it("does not take a line without end", async () => {
    const desk = new Desk();
    desk.type("x".repeat(70_000));
    await expect(desk.terminal.line("")).rejects.toMatchObject({ code: "USAGE" });
  });

  it("reads nothing before it asks, and nothing after it is closed", async () => {
    const desk = new Desk();
    desk.write("early\n");
    expect(desk.listenerCount("data")).toBe(0);
    expect(await desk.terminal.line("")).toBe("early");
    expect(desk.isPaused()).toBe(true);
    desk.terminal.close();
    expect(desk.isPaused()).toBe(true);
  });
});
