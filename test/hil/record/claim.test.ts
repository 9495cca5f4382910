import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { claimFile, makeFolder } from "../../../hil/record/claim.ts";
import { writePieces } from "../../../hil/record/pieces.ts";

const folder = mkdtempSync(join(tmpdir(), "otabench-claim-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const UNWRITABLE = expect.objectContaining({ code: "FILE_UNWRITABLE" });

describe("a place for a file", () => {
  it("is made with all folders on the way, and may be there already", () => {
    const path = join(folder, "a", "b", "c.txt");
    claimFile(path);
    claimFile(path);
    expect(existsSync(join(folder, "a", "b"))).toBe(true);
    expect(existsSync(path)).toBe(false);
    expect(writePieces(path, ["text"])).toBe(4);
    claimFile(path);
  });

  it("is refused where a file or a folder is in the way", () => {
    writeFileSync(join(folder, "file"), "");
    mkdirSync(join(folder, "taken"));
    symlinkSync(join(folder, "nothing"), join(folder, "dangling"));
    for (const path of ["file/x", "file/x/y", "taken", "dangling/x"])
      expect(() => claimFile(join(folder, path)), path).toThrow(UNWRITABLE);
  });

  it.runIf(existsSync("/proc/self"))("is refused at once where the system makes no folders", () => {
    expect(() => claimFile("/proc/otabench/x/y")).toThrow(UNWRITABLE);
    expect(() => writePieces("/proc/otabench/x", ["text"])).toThrow(UNWRITABLE);
    expect(() => makeFolder("/proc/otabench")).toThrow();
  });
});
