import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { violationsOf } from "./rules.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "otabench-house-"));
const SETTINGS = ["package.json", "tsconfig.json", "biome.json", ".oxlintrc.json", ".dependency-cruiser.cjs"];

const { forbidden } = createRequire(import.meta.url)(join(root, ".dependency-cruiser.cjs")) as {
  forbidden: { name: string }[];
};
const oxlintSettings = JSON.parse(readFileSync(join(root, ".oxlintrc.json"), "utf8")) as {
  overrides: { rules: { "no-restricted-globals": [string, ...string[]] } }[];
};
const [, ...restrictedGlobals] = oxlintSettings.overrides[0]?.rules["no-restricted-globals"] ?? [];

const imports = (path: string): string => `import { value } from "${path}";\nexport const other = value;\n`;
const VALUE = "export const value = 1;\n";

/** Files that break exactly one rule of dependency-cruiser each; they import from files that are in order. */
const ARROWS: readonly (readonly [rule: string, path: string, text: string])[] = [
  ["no-cycle", "hil/clock/one.ts", 'import { b } from "./two.ts";\nexport const a = (): unknown => b;\n'],
  ["emulator-stands-alone", "emulator/bus/to-gateway.ts", imports("../../gateway/doip/good.ts")],
  ["emulator-stands-alone", "emulator/bus/type-only.ts", 'export type { T } from "../../hil/clock/good.ts";\n'],
  ["gateway-over-emulator", "gateway/doip/to-hil.ts", imports("../../hil/clock/good.ts")],
  ["gateway-uses-foundations-only", "gateway/tester/to-uds.ts", imports("../../emulator/uds/good.ts")],
  ["gateway-uses-foundations-only", "gateway/tester/to-ecu.ts", imports("../../emulator/ecu/good.ts")],
  ["hil-not-test", "hil/clock/to-test.ts", imports("../../test/support/good.ts")],
  ["wire-is-pure", "emulator/wire/to-bus.ts", imports("../bus/good.ts")],
  ["only-hil-touches-the-machine", "emulator/ecu/to-node.ts", 'export { readFileSync } from "node:fs";\n'],
  ["only-hil-touches-the-machine", "gateway/doip/to-npm.ts", 'export { z } from "zod";\n'],
  ["no-unresolved", "hil/clock/to-nothing.ts", imports("./nothing.ts")],
];
const IN_ORDER: readonly (readonly [path: string, text: string])[] = [
  ["hil/clock/two.ts", 'import { a } from "./one.ts";\nexport const b = (): unknown => a;\n'],
  ["hil/clock/good.ts", `${VALUE}export type T = number;\n`],
  ["gateway/doip/good.ts", imports("../../emulator/wire/good.ts")],
  ["emulator/uds/good.ts", VALUE],
  ["emulator/ecu/good.ts", VALUE],
  ["emulator/bus/good.ts", VALUE],
  ["emulator/wire/good.ts", VALUE],
  ["test/support/good.ts", VALUE],
];

/** Files that break one rule of oxlint each. The globals come from its settings. */
const LINT: readonly (readonly [rule: string, path: string, text: string])[] = [
  ...restrictedGlobals.flatMap((name) =>
    ["emulator/kernel", "gateway/vehicle"].map(
      (room) =>
        [
          "no-restricted-globals",
          `${room}/uses-${name.toLowerCase()}.ts`,
          `export const x: unknown = ${name};\n`,
        ] as const,
    ),
  ),
  ["no-restricted-properties", "emulator/kernel/uses-random.ts", "export const x = Math.random();\n"],
  [
    "no-floating-promises",
    "hil/clock/floating.ts",
    "async function f(): Promise<void> {}\nexport const g = (): void => {\n  f();\n};\n",
  ],
  [
    "no-misused-promises",
    "hil/clock/misused.ts",
    "async function f(): Promise<boolean> {\n  return true;\n}\nexport const g = (): number => (f() ? 1 : 2);\n",
  ],
  [
    "switch-exhaustiveness-check",
    "emulator/kernel/open-switch.ts",
    'export function f(x: "a" | "b"): void {\n  switch (x) {\n    case "a":\n      return;\n  }\n}\n',
  ],
];

const lines = (count: number): string => "  x += 1;\n".repeat(count);
/** Files that break one rule of Biome each. */
const STYLE: readonly (readonly [rule: string, path: string, text: string])[] = [
  ["noExplicitAny", "hil/clock/any.ts", "export const x: any = 1;\n"],
  ["noEnum", "emulator/kernel/an-enum.ts", "export enum E {\n  A = 1,\n}\n"],
  ["noDefaultExport", "emulator/kernel/a-default.ts", "export default 1;\n"],
  ["noConsole", "hil/clock/a-console.ts", 'console.log("x");\n'],
  ["useFilenamingConvention", "hil/clock/camelCase.ts", VALUE],
  ["noExcessiveLinesPerFile", "test/support/long-file.ts", `${VALUE.repeat(501)}`],
  [
    "noExcessiveLinesPerFunction",
    "hil/clock/long-function.ts",
    `export function f(): void {\n  let x = 0;\n${lines(70)}}\n`,
  ],
  ["noUnusedImports", "hil/clock/unused.ts", 'import { value } from "./good.ts";\n'],
];

/** One tool, run over the seeded copy. */
function run(program: string, ...args: string[]): string {
  const path = join(root, "node_modules", ".bin", program);
  const { stdout, stderr } = spawnSync(path, args, { cwd: folder, encoding: "utf8", maxBuffer: 1 << 26 });
  return stdout + stderr;
}

beforeAll(() => {
  for (const name of SETTINGS) copyFileSync(join(root, name), join(folder, name));
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
  const seeds = [...ARROWS, ...LINT, ...STYLE].map(([, path, text]) => [path, text] as const);
  for (const [path, text] of [...IN_ORDER, ...seeds]) {
    mkdirSync(join(folder, dirname(path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("the directions of imports", () => {
  let found: { from: string; rule: { name: string } }[] = [];
  beforeAll(() => {
    const rooms = ["emulator", "gateway", "hil", "test"];
    const text = run("depcruise", ...rooms, "--config", ".dependency-cruiser.cjs", "--output-type", "json");
    found = (JSON.parse(text) as { summary: { violations: typeof found } }).summary.violations;
  });

  it.each(ARROWS)("%s bites on %s", (rule, path) => {
    expect(found.filter(({ from }) => from === path).map(({ rule: { name } }) => name)).toContain(rule);
  });

  it("find nothing wrong with the files that are in order", () => {
    const good = IN_ORDER.map(([path]) => path).filter((path) => path !== "hil/clock/two.ts");
    expect(found.filter(({ from }) => good.includes(from))).toEqual([]);
  });

  it("have a seeded violation for every rule", () => {
    expect(new Set(ARROWS.map(([rule]) => rule))).toEqual(new Set(forbidden.map(({ name }) => name)));
  });
});

describe("the linters", () => {
  it("oxlint bites on each of its seeds", () => {
    const text = run("oxlint", "--type-aware", "--format", "json", "emulator", "gateway", "hil");
    const { diagnostics } = JSON.parse(text) as { diagnostics: { code: string; filename: string }[] };
    const missed = LINT.filter(
      ([rule, path]) => !diagnostics.some(({ code, filename }) => filename === path && code.includes(`(${rule})`)),
    );
    expect(missed).toEqual([]);
    expect(restrictedGlobals.length).toBeGreaterThan(10);
  });

  it("Biome bites on each of its seeds", () => {
    const text = run("biome", "ci", "--colors=off", "--max-diagnostics=none", ...STYLE.map(([, path]) => path));
    const missed = STYLE.filter(
      ([rule, path]) => !text.split("\n").some((line) => line.startsWith(path) && line.includes(`/${rule}`)),
    );
    expect(missed).toEqual([]);
  });

  it("the house's own check names each place and fails", () => {
    const house = join(root, "test", "house", "house.ts");
    const { stdout, status } = spawnSync(process.execPath, [house, folder], { encoding: "utf8" });
    expect(status).toBe(1);
    expect(stdout).toContain("test/support/long-file.ts:501: fileTooLong: 501 lines");
    expect(stdout).toContain("hil/clock/long-function.ts:1: functionTooLong: 73 lines");
    expect(stdout).toContain("emulator/kernel/uses-promise.ts:1: promise: Promise");
    expect(stdout).toContain("gateway/vehicle/uses-date.ts:1: restrictedGlobal: Date");
  });
});

describe("a pure room", () => {
  const rulesOf = (text: string, path = "emulator/kernel/x.ts"): string[] =>
    violationsOf(path, text).map(({ rule, what }) => `${rule} ${what}`);

  it.each([
    ["an async function", "export async function f() {}", "promise async"],
    ["an async method", "class C { async m() {} }", "promise async"],
    ["an async arrow", "const f = async () => 1;", "promise async"],
    ["await", "const x = await y;", "promise await"],
    ["for await", "for await (const x of y) z(x);", "promise for await"],
    ["a Promise as a value", "const p = Promise.resolve(1);", "promise Promise"],
    ["a Promise as a type", "let p: Promise<number>;", "promise Promise"],
    ["an AsyncIterable", "let p: AsyncIterable<number>;", "promise AsyncIterable"],
    ["import()", 'const x = import("./y.ts");', "dynamicImport import()"],
    ["Math.random", "const x = Math.random();", "restrictedGlobal Math.random"],
    ["Date", "const x = new Date();", "restrictedGlobal Date"],
    ["Math in another name", "const m = Math; const x = m.random();", "restrictedGlobal Math"],
    ["Math by brackets", 'const x = Math["random"]();', "restrictedGlobal Math"],
    ["random out of Math", "const { random } = Math;", "restrictedGlobal Math"],
    ["Math out of globalThis", 'const x = globalThis["Math"].random();', "restrictedGlobal globalThis"],
    ["a global that it declares itself", "declare const process: { exit(): void }; process.exit();", "ambient declare"],
    ["a declared module", 'declare module "x" {}', "ambient declare"],
    ["a timer of AbortSignal", "const s = AbortSignal.timeout(5);", "restrictedGlobal AbortSignal"],
    ["a promise of Array", "const p = Array.fromAsync([1]);", "promise fromAsync"],
    ["code out of a text", 'const f = new Function("return 1");', "restrictedGlobal Function"],
    ["the clock of Temporal", "const x = Temporal.Now.instant();", "restrictedGlobal Temporal"],
    ["a timer", "setTimeout(f, 1);", "restrictedGlobal setTimeout"],
    ["Buffer as a type", "let x: Buffer;", "restrictedGlobal Buffer"],
  ])("must not have %s", (_what, text, expected) => {
    expect(rulesOf(text)).toContain(expected);
    expect(rulesOf(text, "hil/clock/x.ts")).toEqual([]);
  });

  it("may use such words for things of its own", () => {
    expect(rulesOf("function f(crypto: C, process: P) { return crypto.process(process); }")).toEqual([]);
    expect(rulesOf("interface A { Date: number; fetch(): void }\nexport const a = { Date: 1, fetch: 2 };")).toEqual([]);
    expect(rulesOf("// await a Promise of Date\nconst text = 'async';")).toEqual([]);
  });

  it("may use the rest of Math, and brand its types", () => {
    expect(rulesOf("const x = Math.max(1, Math.PI);")).toEqual([]);
    expect(rulesOf("declare const brand: unique symbol;")).toEqual([]);
  });

  it.each([
    "biome-ignore",
    "oxlint-disable-next-line",
    "eslint-disable",
    "@ts-ignore",
    "@ts-nocheck",
    "@ts-expect-error",
  ])("has no comment that switches off a guard: %s", (name) => {
    for (const [before, after] of [
      ["//", ""],
      ["/*", "*/"],
    ]) {
      const found = rulesOf(`const x = 1; ${before} ${name} ${after}\n`, "test/x.test.ts");
      expect(found).toEqual([expect.stringContaining("suppression")]);
    }
    expect(rulesOf(`const text = "${name}";\n`)).toEqual([]);
  });

  it("has files of 500 lines and functions of 70, and no more", () => {
    const file = (count: number): string => "// a line\n".repeat(count);
    expect(rulesOf(file(500), "test/x.test.ts")).toEqual([]);
    expect(rulesOf(file(501), "test/x.test.ts")).toEqual(["fileTooLong 501 lines"]);
    expect(rulesOf(file(501), "test/support/x.py")).toEqual(["fileTooLong 501 lines"]);
    const code = (count: number): string => `const f = () => {\n${lines(count - 2)}};\n`;
    expect(rulesOf(code(70), "hil/x.ts")).toEqual([]);
    expect(rulesOf(code(71), "hil/x.ts")).toEqual(["functionTooLong 71 lines"]);
    expect(rulesOf(code(71), "test/x.ts")).toEqual([]);
  });
});
