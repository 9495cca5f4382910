// Writes the table of update systems and other sides into the README. Whether its cells are true, matrix.test.ts says.
import { readFileSync, writeFileSync } from "node:fs";
import { rows } from "./rows.ts";
import { tableOf, withTable } from "./table.ts";

writeFileSync("README.md", withTable(readFileSync("README.md", "utf8"), tableOf(rows)));
