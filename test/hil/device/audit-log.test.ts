import { createHash } from "node:crypto";
import { appendFileSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { afterAll, describe, expect, it } from "vitest";
import { Prng } from "../../../emulator/kernel/prng.ts";
import { AuditLog } from "../../../hil/device/audit-log.ts";
import { HandClock, makeState, removeFolders } from "../../support/device-folder.ts";

afterAll(removeFolders);

async function makeLog(records: number) {
  const clock = new HandClock();
  const folder = makeState();
  const log = new AuditLog(folder, clock.now);
  const path = folder.file("audit.ndjson");
  for (let index = 1; index <= records; index++)
    await log.append({ user: "root", event: "check", outcome: "ok", detail: { index } });
  const lines = (): string[] => readFileSync(path, "utf8").split("\n").slice(0, -1);
  const problems = async (): Promise<string[]> =>
    (await new AuditLog(folder, clock.now).check(1000)).problems.map(({ line, code }) => `${line} ${code}`);
  const rewrite = (changed: readonly string[]): void =>
    writeFileSync(path, changed.map((line) => `${line}\n`).join(""));
  return { log, folder, path, lines, problems, rewrite };
}

describe("the audit log", () => {
  it("is one JSON object a line, each with the hash of the one before", async () => {
    const { log, lines, problems } = await makeLog(3);
    let previous = "0".repeat(64);
    for (const line of lines()) {
      const { hash, prev, ...rest } = JSON.parse(line) as Record<string, unknown>;
      expect(prev).toBe(previous);
      // by the rule in docs/protocols/https.md, not by our code
      const content = line.replace(`,"hash":"${String(hash)}"`, "");
      expect(createHash("sha256").update(content).digest("hex")).toBe(hash);
      expect(rest).toMatchObject({ user: "root", event: "check", outcome: "ok", at: "2026-03-01T12:00:00.000Z" });
      previous = hash as string;
    }
    expect(await problems()).toEqual([]);
    expect(await log.check(2)).toMatchObject({ count: 3, records: [{ n: 2 }, { n: 3 }], head: previous });
  });

  it("finds and names a changed line, wherever a byte of it was changed", async () => {
    const { lines, problems, rewrite } = await makeLog(4);
    const whole = lines();
    const prng = new Prng("changes");
    for (let times = 0; times < 200; times++) {
      const at = prng.below(4);
      const line = Buffer.from(whole[at] as string);
      const index = prng.below(line.length);
      line[index] = (line[index] as number) ^ (1 << prng.below(7));
      if (line.includes(10) || line.includes(13)) continue;
      rewrite(whole.with(at, line.toString("latin1")));
      const found = await problems();
      expect(found[0], `bit of byte ${index} of line ${at + 1}`).toMatch(
        new RegExp(`^${at + 1} AUDIT_LINE_(CHANGED|MISSING)`),
      );
    }
  });

  it("finds a line that was taken out, put in or moved", async () => {
    const { lines, problems, rewrite } = await makeLog(4);
    const [one, two, three, four] = lines() as [string, string, string, string];
    rewrite([one, three, four]);
    expect(await problems()).toEqual(["2 AUDIT_LINE_MISSING"]);
    rewrite([two, three, four]);
    expect(await problems()).toEqual(["1 AUDIT_LINE_MISSING"]);
    rewrite([one, two, two, three, four]);
    expect(await problems()).toEqual(["3 AUDIT_LINE_MISSING"]);
    rewrite([one, three, two, four]);
    expect((await problems()).length).toBeGreaterThan(0);
    rewrite([one, two, "nonsense", three, four]);
    expect(await problems()).toEqual(["3 AUDIT_LINE_CHANGED"]);
  });

  it("finds an end that was cut off, and a log that was taken away", async () => {
    const { lines, problems, rewrite, path } = await makeLog(4);
    const all = lines();
    rewrite(all.slice(0, 2));
    expect(await problems()).toEqual(["3 AUDIT_END_MISSING"]);
    rmSync(path);
    expect(await problems()).toEqual(["1 AUDIT_END_MISSING"]);
  });

  it("finds that the head was taken away, with and without the end of the log", async () => {
    const { lines, problems, rewrite, folder } = await makeLog(4);
    rmSync(folder.file("audit-head.json"));
    expect(await problems()).toEqual(["5 AUDIT_END_MISSING"]);
    rewrite(lines().slice(0, 2));
    expect(await problems()).toEqual(["3 AUDIT_END_MISSING"]);
    rewrite(lines().slice(0, 1)); // as after a power cut behind the first record
    expect(await problems()).toEqual([]);
  });

  it("does not lose the traces of a head that was taken away when more is added", async () => {
    const { log, lines, problems, rewrite, folder } = await makeLog(4);
    rewrite(lines().slice(0, 3));
    rmSync(folder.file("audit-head.json"));
    await log.append({ user: "root", event: "check", outcome: "ok" });
    await log.append({ user: "root", event: "check", outcome: "ok" });
    expect(await problems()).toEqual(["4 AUDIT_END_MISSING"]);
    expect(lines()).toHaveLength(6);
    const one = await makeLog(1); // as after a power cut behind the first record
    rmSync(one.folder.file("audit-head.json"));
    await one.log.append({ user: "root", event: "check", outcome: "ok" });
    expect(await one.problems()).toEqual([]);
  });

  it("does not lose the traces of an end that was cut off when more is added", async () => {
    const { log, lines, problems, rewrite } = await makeLog(4);
    const all = lines();
    rewrite(all.slice(0, 2));
    await log.append({ user: "root", event: "check", outcome: "ok" });
    await log.append({ user: "root", event: "check", outcome: "ok" });
    expect(await problems()).toEqual(["3 AUDIT_LINE_MISSING"]);
    const forged = (all[3] as string).replace('"index":4', '"index":5');
    rewrite([...all.slice(0, 3), forged]);
    await log.append({ user: "root", event: "check", outcome: "ok" });
    expect(await problems()).toContain("4 AUDIT_LINE_CHANGED");
  });

  it("goes on behind a record that was made up for one that is known, and the break stays to be seen", async () => {
    const { log, lines, problems, rewrite } = await makeLog(3);
    rewrite(lines().with(1, (lines()[1] as string).replace('"index":2', '"index":7')));
    await log.append({ user: "root", event: "check", outcome: "ok" });
    expect(await problems()).toEqual(["2 AUDIT_LINE_CHANGED"]);
    expect(lines()).toHaveLength(4);
  });

  it("finds a torn last line at every length, records it at the next start, and loses nothing before it", async () => {
    const { log, lines, problems, path, folder } = await makeLog(3);
    const whole = readFileSync(path);
    const last = Buffer.byteLength(lines()[2] as string) + 1;
    const head = readFileSync(folder.file("audit-head.json"));
    for (const cut of [1, 2, 3, 50, 100, last - 1]) {
      writeFileSync(path, whole);
      truncateSync(path, whole.length - cut);
      // the head is written after the line: power went before that
      const { prev } = JSON.parse(lines().at(-1) ?? whole.toString().split("\n")[2] ?? "") as { prev: string };
      writeFileSync(folder.file("audit-head.json"), JSON.stringify({ n: 1, hash: prev }));
      if (cut > 1) expect(await problems(), `cut by ${cut}`).toContainEqual("3 AUDIT_LINE_TORN");
      await log.append({ user: "root", event: "check", outcome: "ok" });
      const found = await log.check(10);
      expect(found.problems, `cut by ${cut}`).toEqual([]);
      expect(found.mended).toBe(cut > 1 ? 1 : 0);
      expect(found.records.map(({ event }) => event)).toEqual(
        cut > 1 ? ["check", "check", "audit.torn", "check"] : ["check", "check", "check", "check"],
      );
    }
    writeFileSync(folder.file("audit-head.json"), head);
  });

  it("does not take a line for torn that another record does not name", async () => {
    const { log, problems, path } = await makeLog(1);
    appendFileSync(path, '{"n":2,"at":"20');
    await log.append({ user: "root", event: "check", outcome: "ok" });
    expect(await problems()).toEqual([]);
    writeFileSync(path, readFileSync(path, "utf8").replace('"at":"20\n', '"at":"21\n'));
    expect(await problems()).toEqual(["2 AUDIT_LINE_CHANGED"]);
  });

  it("keeps its order when several write at once", async () => {
    const { log, problems, lines } = await makeLog(0);
    await Promise.all(
      Array.from({ length: 20 }, (_, index) => log.append({ user: `u${index}`, event: "check", outcome: "ok" })),
    );
    expect(await problems()).toEqual([]);
    expect(lines()).toHaveLength(20);
  });

  it("bears text of any length and any bytes in its file", async () => {
    const { log, problems, path } = await makeLog(1);
    const text = `"\n\u0000${"x".repeat(100_000)}`;
    await log.append({ user: text, event: "check", outcome: "ok", detail: { text } });
    expect(await problems()).toEqual([]);
    appendFileSync(path, new Prng("noise").bytes(100_000));
    expect((await problems()).length).toBeGreaterThan(0);
    expect((await problems()).length).toBeLessThanOrEqual(100);
    await log.append({ user: "root", event: "check", outcome: "ok" });
  });
});
