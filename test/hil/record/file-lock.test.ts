import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { exclusively } from "../../../hil/record/file-lock.ts";
import { makeState, removeFolders } from "../../support/device-folder.ts";

let lock: string;
let folder: string;
beforeEach(() => {
  folder = makeState().path;
  lock = join(folder, "work.lock");
});
afterAll(removeFolders);

describe("the lock of a file", () => {
  it("is there while the work goes on, and leaves nothing behind, also when the work fails", async () => {
    expect(await exclusively(lock, 0, () => existsSync(lock))).toBe(true);
    await expect(exclusively(lock, 0, () => Promise.reject(new Error("no")))).rejects.toThrow("no");
    expect(readdirSync(folder)).toEqual([]);
  });

  it("refuses who does not wait, and lets who waits have a turn", async () => {
    const done = Promise.withResolvers<void>();
    const first = exclusively(lock, 0, () => done.promise);
    const locked = { code: "FILE_LOCKED", message: expect.stringContaining(`process ${process.pid}`) as string };
    await expect(exclusively(lock, 0, () => 1)).rejects.toMatchObject(locked);
    const second = exclusively(lock, 5_000, () => 2);
    done.resolve();
    expect(await second).toBe(2);
    await first;
  });

  it("lets many have a turn, one at a time", async () => {
    let inside = 0;
    let most = 0;
    const work = async (): Promise<void> => {
      most = Math.max(most, ++inside);
      await new Promise(setImmediate);
      inside--;
    };
    await Promise.all(Array.from({ length: 20 }, () => exclusively(lock, 30_000, work)));
    expect(most).toBe(1);
  });

  it.each([
    ["of a process that is no more", "999999999 1"],
    ["of an earlier process that had our number", `${process.pid} 1`],
    ["that says nothing", ""],
    ["that is nonsense", "../../etc/passwd"],
    ["of all processes", "0 "],
    ["of a group", "-1 "],
  ])("does not mind one %s", async (_, text) => {
    if (text.startsWith(`${process.pid}`) && process.platform !== "linux") return;
    writeFileSync(lock, text);
    expect(await exclusively(lock, 0, () => 1)).toBe(1);
    expect(readdirSync(folder)).toEqual([]);
  });

  it("does not spin on one that can't be read", async () => {
    mkdirSync(lock);
    await expect(exclusively(lock, 0, () => 1)).rejects.toMatchObject({ code: "FILE_LOCKED" });
  });

  it("says that there is no folder", async () => {
    await expect(exclusively(join(folder, "none", "work.lock"), 0, () => 1)).rejects.toMatchObject({
      code: "FILE_UNWRITABLE",
    });
  });
});
