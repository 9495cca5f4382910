import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { StateFile } from "../../../hil/record/state-file.ts";

describe("a state file", () => {
  let folder = "";
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "otabench-state-"));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it("holds what was written last, for the next process too", () => {
    const path = join(folder, "deep", "state.json");
    const file = new StateFile(path);
    expect(file.read()).toBeUndefined();
    file.write({ count: 1 });
    file.write({ count: 2 });
    expect(new StateFile(path).read()).toEqual({ count: 2 });
    expect(readdirSync(join(folder, "deep"))).toEqual(["state.json"]);
    expect(statSync(path).mode & 0o077).toBe(0);
  });

  it("is not spoilt by a writer that died in the middle", () => {
    const path = join(folder, "state.json");
    new StateFile(path).write({ count: 1 });
    writeFileSync(`${path}.new`, '{ "cou');
    expect(new StateFile(path).read()).toEqual({ count: 1 });
    new StateFile(path).write({ count: 2 });
    expect(JSON.parse(readFileSync(path, "utf8"))).toEqual({ count: 2 });
  });

  it("says that it can't be read when it holds something else", () => {
    const path = join(folder, "state.json");
    writeFileSync(path, "no state");
    expect(() => new StateFile(path).read()).toThrow(expect.objectContaining({ code: "FILE_UNREADABLE" }));
  });

  it("is kept in memory without a path", () => {
    const file = new StateFile();
    file.write([1]);
    expect(file.read()).toEqual([1]);
  });
});
