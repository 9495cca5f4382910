import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { ledgerPages, ledgerRows, rowFault, titlePaths } from "./ledger.ts";

const ROOT = ".";
const rows = ledgerPages(ROOT).flatMap((page) => ledgerRows(page, readFileSync(page, "utf8")));

describe("the ledger of fidelity", () => {
  it("has rows", () => {
    expect(rows.length).toBeGreaterThan(40);
  });

  it("backs each row with a test that exists", () => {
    const faults = rows.flatMap((row) => {
      const fault = rowFault(ROOT, row);
      return fault === undefined ? [] : [`${row.place}: ${fault}`];
    });
    expect(faults).toEqual([]);
  });

  it("lists each of its pages on the first one", () => {
    const first = readFileSync("docs/fidelity.md", "utf8");
    const pages = ledgerPages(ROOT).filter((page) => page !== "docs/fidelity.md");
    expect(pages.filter((page) => !first.includes(`](${page.replace("docs/", "")})`))).toEqual([]);
  });

  it("has each model once", () => {
    const models = rows.map(({ model }) => model);
    expect(rows.filter(({ model }, index) => models.indexOf(model) !== index).map(({ place }) => place)).toEqual([]);
  });

  it("gives each row a model, a clause and something it does", () => {
    expect(rows.filter(({ model, clause, does }) => model === "" || clause === "" || does === "")).toEqual([]);
  });
});

describe("the check of the ledger", () => {
  const row = { place: "x:1", model: "m", clause: "c", does: "d", doesNot: "" };

  it("finds a row whose test is not there", () => {
    const file = "test/house/ledger.test.ts";
    const good = `${file} › the check of the ledger › finds a row whose test is not there`;
    expect(rowFault(ROOT, { ...row, test: good })).toBeUndefined();
    expect(rowFault(ROOT, { ...row, test: `${file} › no such test` })).toMatch("has no test");
    expect(rowFault(ROOT, { ...row, test: "test/no/such.test.ts › x" })).toMatch("there is no");
    expect(rowFault(ROOT, { ...row, test: file })).toMatch("names no test in its file");
    expect(rowFault(ROOT, { ...row, test: "" })).toMatch("names no test file");
  });

  it("reads titles of tables and of judged suites", () => {
    const text =
      'describeWithJudge("tshark", "a", () => { it.each([1])("b %i", () => {}); it(`c $' + "{x} d`, () => {}); });";
    expect([...titlePaths("x.test.ts", text)]).toEqual(["a", "a › b %i", "a › c … d"]);
  });

  it("takes five cells for a row, and no heading", () => {
    const page =
      "| model | clause | does | does not | test |\n|---|---|---|---|---|\n| a | b | c \\| d | e | `f › g` |\n";
    expect(ledgerRows("p", page)).toEqual([
      { place: "p:3", model: "a", clause: "b", does: "c | d", doesNot: "e", test: "f › g" },
    ]);
  });
});
