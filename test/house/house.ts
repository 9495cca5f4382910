// `npm run house`: what the other tools of `npm run check` do not see. An argument names another root to be checked.
import { readdirSync, readFileSync } from "node:fs";
import { join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { violationsOf } from "./rules.ts";

const ROOMS = ["emulator", "gateway", "hil", "test"];
const TEXT = /\.([cm]?[jt]sx?|py|sh|html|css)$/;

const root = process.argv[2] ?? fileURLToPath(new URL("../..", import.meta.url));
const paths = ROOMS.flatMap((room) =>
  readdirSync(join(root, room), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && TEXT.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name)),
);
const violations = paths.flatMap((path) =>
  violationsOf(relative(root, path).split(sep).join("/"), readFileSync(path, "utf8")),
);
for (const { path, line, rule, what } of violations) process.stdout.write(`${path}:${line}: ${rule}: ${what}\n`);
process.stdout.write(`${paths.length} files, ${violations.length} places not in order\n`);
process.exitCode = violations.length === 0 ? 0 : 1;
