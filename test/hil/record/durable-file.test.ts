import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeEach, describe, expect, it, vi } from "vitest";
import { readIfThere, writeDurably } from "../../../hil/record/durable-file.ts";

const calls: string[] = vi.hoisted(() => []);

vi.mock("node:fs", async (original) => {
  const fs = await original<typeof import("node:fs")>();
  const opened = new Map<number, string>();
  return {
    ...fs,
    openSync: (path: string, flags: string, mode?: number) => {
      const file = fs.openSync(path, flags, mode);
      opened.set(file, path.slice(path.lastIndexOf("/") + 1));
      return file;
    },
    writeSync: (file: number, data: Uint8Array, offset: number) => {
      calls.push(`write ${opened.get(file)}`);
      return fs.writeSync(file, data, offset, Math.min(1000, data.length - offset)); // as a full disk or a signal may
    },
    fsyncSync: (file: number) => {
      calls.push(`fsync ${opened.get(file)}`);
      fs.fsyncSync(file);
    },
    renameSync: (from: string, to: string) => {
      calls.push(`rename to ${to.slice(to.lastIndexOf("/") + 1)}`);
      fs.renameSync(from, to);
    },
  };
});

const root = mkdtempSync(join(tmpdir(), "otabench-durable-"));
const folder = join(root, "folder");
const path = join(folder, "file");
beforeEach(() => {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  calls.length = 0;
});
afterAll(() => rmSync(root, { recursive: true }));

describe("a file that is replaced durably", () => {
  it("is on the disk before it has its name, and the name before the work is done", () => {
    const data = new Uint8Array(2_500).fill(7);
    writeDurably(path, data);
    expect(new Uint8Array(readFileSync(path))).toEqual(data);
    expect(calls).toEqual([
      "write file.part",
      "write file.part",
      "write file.part",
      "fsync file.part",
      "rename to file",
      "fsync folder",
    ]);
  });

  it("can be read by its owner only, unless it is told otherwise, whatever was there", () => {
    writeFileSync(`${path}.part`, "left over", { mode: 0o666 });
    writeDurably(path, new Uint8Array(1));
    expect(statSync(path).mode & 0o777).toBe(0o600);
    writeDurably(path, new Uint8Array(1), 0o755);
    expect(statSync(path).mode & 0o777).toBe(0o755);
  });

  it("is as it was when it can't be replaced", () => {
    writeDurably(path, new Uint8Array([1]));
    mkdirSync(`${path}.part`);
    expect(() => writeDurably(path, new Uint8Array([2]))).toThrow(expect.objectContaining({ code: "FILE_UNWRITABLE" }));
    expect([...(readIfThere(path) ?? [])]).toEqual([1]);
  });

  it("is undefined when it is not there, and an error when it can't be read", () => {
    expect(existsSync(path)).toBe(false);
    expect(readIfThere(path)).toBeUndefined();
    expect(() => readIfThere(folder)).toThrow(expect.objectContaining({ code: "FILE_UNREADABLE" }));
  });
});
