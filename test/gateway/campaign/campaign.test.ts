import { describe, expect, it } from "vitest";
import { LinkError } from "../../../emulator/kernel/errors.ts";
import { CampaignBench, ECUS, release } from "./campaign-bench.ts";

const verdicts = (bench: CampaignBench): Record<string, string> =>
  Object.fromEntries(bench.results.at(-1)?.ecus.map(({ ecu, verdict }) => [ecu, verdict]) ?? []);

describe("a campaign in which everything goes well", () => {
  it("goes through its phases in order and calls an ECU updated only after it answered the new version", () => {
    const bench = new CampaignBench();
    const result = bench.run({ ECU_011: "1.1.0", ECU_021: "1.2.0" });
    expect(result).toEqual({
      verdict: "updated",
      ecus: [
        { ecu: "ECU_011", before: "1.0.0", target: "1.1.0", after: "1.1.0", verdict: "updated" },
        { ecu: "ECU_012", before: "1.0.0", after: "1.0.0", verdict: "unchanged" },
        { ecu: "ECU_021", before: "1.0.0", target: "1.2.0", after: "1.2.0", verdict: "updated" },
        { ecu: "ECU_022", before: "1.0.0", after: "1.0.0", verdict: "unchanged" },
      ],
    });
    expect(bench.phases).toEqual([
      "inventory",
      "looking",
      "fetching",
      "verifying",
      "distributing",
      "activating",
      "committing",
      "observing",
      "reporting",
      "ended",
    ]);
  });

  it("programs lanes in parallel and the ECUs of one lane in turn", () => {
    const bench = new CampaignBench();
    for (const ecu of ECUS) bench.scripts.set(ecu, ({ type }) => (type === "program" ? "later" : undefined));
    bench.run({ ECU_011: "1.1.0", ECU_012: "1.1.0", ECU_021: "1.1.0", ECU_022: "1.1.0" });
    const programs = (): string[] => bench.commands.filter((command) => command.endsWith("program"));
    expect(programs()).toEqual(["ECU_011 program", "ECU_021 program"]);
    bench.answer("ECU_021", { type: "programmed" });
    expect(programs()).toEqual(["ECU_011 program", "ECU_021 program", "ECU_022 program"]);
  });

  it("activates nothing before every ECU holds its image", () => {
    const bench = new CampaignBench();
    bench.scripts.set("ECU_022", ({ type }) => (type === "program" ? "later" : undefined));
    bench.run({ ECU_011: "1.1.0", ECU_022: "1.1.0" });
    expect(bench.commands.filter((command) => command.endsWith("activate"))).toEqual([]);
    bench.answer("ECU_022", { type: "programmed" });
    expect(bench.results.at(-1)?.verdict).toBe("updated");
  });

  it("has nothing to do when the server offers nothing, or what runs already", () => {
    const bench = new CampaignBench();
    expect(bench.run()?.verdict).toBe("upToDate");
    expect(bench.run({ ECU_011: "1.0.0" })?.verdict).toBe("upToDate");
    expect(bench.commands.some((command) => command.endsWith("program"))).toBe(false);
  });

  it("reports its verdict to the server, and ends even if the server does not take it", () => {
    const bench = new CampaignBench();
    const good = bench.sourceSays;
    bench.sourceSays = (input) =>
      input.type === "report"
        ? [{ type: "failed", error: new LinkError("SOURCE_GONE", "gone"), retryable: true }]
        : good(input);
    expect(bench.run({ ECU_011: "1.1.0" })?.verdict).toBe("updated");
    expect(bench.sourceInputs.at(-1)).toMatchObject({ type: "report", verdict: "updated" });
  });
});

describe("a campaign that must not touch an ECU", () => {
  it("refuses a package with one byte changed", () => {
    const bench = new CampaignBench();
    const good = release({ ECU_011: "1.1.0" });
    const bytes = good.bytes.slice();
    bytes[9_000] = 1;
    bench.release = { ...good, bytes };
    expect(bench.run()).toMatchObject({ verdict: "refused", error: { code: "PACKAGE_SIGNATURE_WRONG" } });
    expect(bench.commands.every((command) => /identify|release/.test(command))).toBe(true);
  });

  it("refuses a package without a signature, and one that is too large before fetching it", () => {
    const bench = new CampaignBench();
    bench.sourceSays = (input) => {
      if (input.type === "look") return [{ type: "offer", offer: { release: "test" } }];
      if (input.type === "fetch") return [{ type: "fetched", size: 0 }];
      return input.type === "report" ? [{ type: "reported" }] : [];
    };
    expect(bench.run()).toMatchObject({ verdict: "refused", error: { code: "PACKAGE_SIGNATURE_MISSING" } });
    const small = new CampaignBench(100);
    expect(small.run({ ECU_011: "1.1.0" })).toMatchObject({ verdict: "refused", error: { code: "PACKAGE_TOO_LARGE" } });
    expect(small.sourceInputs.map(({ type }) => type)).toEqual(["look", "report"]);
  });

  it("stops a body that turns out longer than may be", () => {
    const bench = new CampaignBench(100);
    bench.sourceSays = (input) => {
      if (input.type === "look") return [{ type: "offer", offer: { release: "test" } }];
      if (input.type === "fetch") return [{ type: "piece", offset: 0, data: new Uint8Array(101) }];
      return input.type === "report" ? [{ type: "reported" }] : [];
    };
    expect(bench.run()).toMatchObject({ verdict: "refused", error: { code: "PACKAGE_TOO_LARGE" } });
    expect(bench.sourceInputs.map(({ type }) => type)).toEqual(["look", "fetch", "cancel", "report"]);
  });

  it("fails when an ECU that is to be updated does not answer, and goes on when another one does not", () => {
    const silent = (): CampaignBench => {
      const bench = new CampaignBench();
      bench.scripts.set("ECU_012", ({ type }) =>
        type === "identify" ? CampaignBench.failure("session", "UDS_TIMEOUT") : undefined,
      );
      return bench;
    };
    const needed = silent();
    expect(needed.run({ ECU_011: "1.1.0", ECU_012: "1.1.0" })?.error?.code).toBe("CAMPAIGN_ECU_SILENT");
    expect(needed.commands.some((command) => command.endsWith("program"))).toBe(false);
    const other = silent();
    expect(other.run({ ECU_011: "1.1.0" })?.verdict).toBe("updated");
    expect(verdicts(other)).toMatchObject({ ECU_011: "updated", ECU_012: "failed" });
  });

  it("tells the source's error when nothing can be had", () => {
    const bench = new CampaignBench();
    bench.sourceSays = (input) =>
      input.type === "look"
        ? [{ type: "failed", error: new LinkError("SOURCE_UNTRUSTED", "wrong CA"), retryable: false }]
        : [{ type: "reported" }];
    expect(bench.run()).toMatchObject({ verdict: "failed", error: { code: "SOURCE_UNTRUSTED" } });
  });
});

describe("a campaign in which an ECU fails", () => {
  it("activates nothing when one ECU can't be programmed", () => {
    const bench = new CampaignBench();
    bench.scripts.set("ECU_021", ({ type }) => (type === "program" ? CampaignBench.failure("transfer") : undefined));
    const result = bench.run({ ECU_011: "1.1.0", ECU_021: "1.1.0" });
    expect(result).toMatchObject({ verdict: "failed", error: { code: "TEST_FAILURE" } });
    expect(bench.commands.some((command) => command.endsWith("activate"))).toBe(false);
    expect(verdicts(bench)).toEqual({
      ECU_011: "unchanged",
      ECU_012: "unchanged",
      ECU_021: "unchanged",
      ECU_022: "unchanged",
    });
  });

  it("lets ECUs that are being programmed come to their end before it asks them", () => {
    const bench = new CampaignBench();
    bench.scripts.set("ECU_011", ({ type }) => (type === "program" ? "later" : undefined));
    bench.scripts.set("ECU_021", ({ type }) => (type === "program" ? CampaignBench.failure("erase") : undefined));
    bench.run({ ECU_011: "1.1.0", ECU_012: "1.1.0", ECU_021: "1.1.0" });
    expect(bench.campaign.phase).toBe("distributing");
    bench.answer("ECU_011", { type: "programmed" });
    expect(bench.results.at(-1)?.verdict).toBe("failed");
    expect(bench.commands).not.toContain("ECU_012 program");
  });

  it.each([
    ["does not come back after its reset", CampaignBench.failure("activate", "UDS_TIMEOUT")],
    ["comes back with its old version", { type: "activated", version: "1.0.0" } as const],
  ])("takes all ECUs back when one %s", (_, answer) => {
    const bench = new CampaignBench();
    bench.scripts.set("ECU_021", ({ type }) => (type === "activate" ? answer : undefined));
    const result = bench.run({ ECU_011: "1.1.0", ECU_021: "1.1.0" });
    expect(result?.verdict).toBe("rolledBack");
    expect(verdicts(bench)).toMatchObject({ ECU_011: "rolledBack", ECU_021: "rolledBack", ECU_012: "unchanged" });
    expect(bench.commands).not.toContain("ECU_011 commit");
  });

  it("says mixed when an ECU can't be taken back, and never calls silence a success", () => {
    const bench = new CampaignBench();
    bench.scripts.set("ECU_021", ({ type }) => (type === "activate" ? CampaignBench.failure("activate") : undefined));
    bench.scripts.set("ECU_011", ({ type }) => (type === "revert" ? CampaignBench.failure("revert") : undefined));
    expect(bench.run({ ECU_011: "1.1.0", ECU_021: "1.1.0" })?.verdict).toBe("mixed");
    const mute = new CampaignBench();
    let asked = 0;
    mute.scripts.set("ECU_011", ({ type }) =>
      type === "identify" && asked++ > 0 ? CampaignBench.failure("session") : undefined,
    );
    expect(mute.run({ ECU_011: "1.1.0" })?.verdict).toBe("mixed");
    expect(mute.results.at(-1)?.ecus[0]).toEqual({
      ecu: "ECU_011",
      before: "1.0.0",
      target: "1.1.0",
      verdict: "failed",
    });
  });
});

describe("a campaign that is disturbed", () => {
  it("can be cancelled while it fetches, and is not cancelled once it activates", () => {
    const bench = new CampaignBench();
    const good = bench.sourceSays;
    bench.sourceSays = (input) => (input.type === "fetch" ? [] : good(input));
    bench.run({ ECU_011: "1.1.0" });
    bench.campaign.handle({ type: "cancel" }, 0 as never);
    bench.drain();
    expect(bench.results.at(-1)).toMatchObject({ verdict: "failed", error: { code: "CAMPAIGN_CANCELLED" } });
    const late = new CampaignBench();
    late.scripts.set("ECU_011", ({ type }) => (type === "activate" ? "later" : undefined));
    late.run({ ECU_011: "1.1.0" });
    late.campaign.handle({ type: "cancel" }, 0 as never);
    late.versions.set("ECU_011", "1.1.0");
    late.answer("ECU_011", { type: "activated", version: "1.1.0" });
    expect(late.results.at(-1)?.verdict).toBe("updated");
  });

  it("takes no notice of answers that nobody waits for", () => {
    const bench = new CampaignBench();
    bench.answer("ECU_011", { type: "programmed" });
    bench.answer("ECU_999", { type: "programmed" });
    bench.campaign.handle({ type: "source", said: { type: "fetched", size: 1 } }, 0 as never);
    bench.drain();
    expect(bench.campaign.phase).toBe("idle");
    expect(bench.results).toEqual([]);
  });

  it("goes on alike from a saved state", () => {
    const one = new CampaignBench();
    one.scripts.set("ECU_022", ({ type }) => (type === "program" ? "later" : undefined));
    one.run({ ECU_011: "1.1.0", ECU_022: "1.1.0" });
    const two = new CampaignBench();
    two.run({ ECU_011: "1.1.0", ECU_022: "1.1.0" });
    two.results.length = 0;
    for (const ecu of ECUS) two.versions.set(ecu, "1.0.0");
    two.campaign.load(one.campaign.save());
    for (const bench of [one, two]) bench.answer("ECU_022", { type: "programmed" });
    expect(two.results).toEqual(one.results);
    expect(two.results).toHaveLength(1);
  });
});
