import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { LinkError } from "../../emulator/kernel/errors.ts";
import type { Doors, OpenSession } from "./doors.ts";
import type { Wire } from "./session.ts";

/**
 * Node can't open a pseudo terminal, Python can. Says the name of the terminal's other end, then carries bytes both ways.
 * A terminal that nobody reads is full after some kilobytes; what comes then is dropped, as on a serial line.
 */
const HELPER = `
import os, pty, select, sys, tty
near, far = pty.openpty()
tty.setraw(far)
os.set_blocking(near, False)
os.write(1, (os.ttyname(far) + "\\n").encode())
while True:
    readable = select.select([0, near], [], [])[0]
    if 0 in readable:
        data = os.read(0, 4096)
        if not data:
            break
        try:
            os.write(near, data)
        except BlockingIOError:
            pass
    if near in readable:
        os.write(1, os.read(near, 4096))
`;
const PYTHON = "python3";
const NAME_MAX = 256;
const NEW_LINE = 10;
/** What the helper has not taken yet; more is dropped, bytes. */
const UNREAD_MAX = 256 * 1024;
const BACKLOG_MAX = 64 * 1024;

/** A pseudo terminal at which programs that know serial adapters only are let in. */
export interface PtyDoor {
  /** Such as /dev/pts/3. */
  readonly path: string;
  close(): Promise<void>;
}

/** @param bus what it leads to @throws {LinkError} "DOOR_UNAVAILABLE" without Python or pseudo terminals */
export async function openPtyDoor(doors: Doors, bus: string, open: OpenSession): Promise<PtyDoor> {
  const helper = spawn(PYTHON, ["-c", HELPER], { stdio: ["pipe", "pipe", "ignore"] });
  const { path, rest } = await nameOf(helper, bus);
  const wire: Wire = {
    write(data) {
      if (helper.exitCode !== null || helper.stdin.writableLength > UNREAD_MAX) return false;
      helper.stdin.write(data);
      return true;
    },
    end: () => {},
  };
  const client = doors.connect(bus, "pty", wire, open, () => helper.stdout.resume());
  const take = (data: Buffer): void => {
    client.feed(new Uint8Array(data));
    if (client.backlog > BACKLOG_MAX) helper.stdout.pause();
  };
  if (rest.length > 0) take(rest);
  helper.stdout.on("data", take);
  helper.stdin.on("error", () => {}); // "exit" follows
  helper.on("exit", () => client.gone());
  return {
    path,
    async close() {
      if (helper.exitCode !== null || helper.signalCode !== null) return;
      const ended = once(helper, "exit");
      helper.stdin.end();
      helper.kill();
      await ended;
    },
  };
}

/** Reads the first line of the helper. */
async function nameOf(helper: ChildProcess, bus: string): Promise<{ path: string; rest: Buffer }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ path: string; rest: Buffer }>();
  let text: Buffer = Buffer.alloc(0);
  const fail = (why: string): void => {
    reject(new LinkError("DOOR_UNAVAILABLE", `pty of ${bus}: ${PYTHON}, which opens the pseudo terminal, ${why}`));
  };
  const take = (data: Buffer): void => {
    text = Buffer.concat([text, data]);
    const end = text.indexOf(NEW_LINE);
    if (end >= 0) resolve({ path: text.toString("utf8", 0, end), rest: text.subarray(end + 1) });
    else if (text.length > NAME_MAX) fail("said no name");
  };
  helper.stdout?.on("data", take);
  helper.on("error", (error) => fail(`can't be started: ${error.message}`));
  helper.on("exit", (code) => fail(`ended with ${code}`));
  try {
    return await promise;
  } finally {
    helper.stdout?.off("data", take);
  }
}
