import { readFileSync } from "node:fs";

/** One row of the table of services in docs/protocols/ecu.md. */
export interface ServiceOnPage {
  readonly sid: number;
  /** Undefined for a service that has none. */
  readonly subFunctions: readonly number[] | undefined;
  /** Where the page says "where configured" of the service as a whole. */
  readonly optional: boolean;
  readonly sessions: readonly number[];
  readonly security: string;
  readonly functional: boolean;
}

/** "01 to 04", "06" */
const NUMBERS = /\b([0-9A-F]{2})(?: to ([0-9A-F]{2}))?\b/g;
const hex = (text: string): number => Number.parseInt(text, 16);

/** The table of services, as a reader has it. */
export function servicesOnPage(): readonly ServiceOnPage[] {
  const page = readFileSync(new URL("../../docs/protocols/ecu.md", import.meta.url), "utf8");
  const section = page.slice(page.indexOf("\n## services"), page.indexOf("\nChecks come in the order"));
  const rows = section.split("\n").map((line) => line.split("|").map((cell) => cell.trim()));
  return rows
    .filter(([, sid = ""]) => /^[0-9A-F]{2}$/.test(sid))
    .map(([, sid = "", name = "", ...rest]) => {
      const [sessions = "", security = "", functional] = rest;
      const listed = name.split(":")[1]?.replaceAll(/\[.*/g, "") ?? "";
      const numbers = [...listed.matchAll(NUMBERS)].flatMap(([, from = "", to = from]) =>
        Array.from({ length: hex(to) - hex(from) + 1 }, (_, index) => hex(from) + index),
      );
      return {
        sid: hex(sid),
        subFunctions: numbers.length === 0 ? undefined : numbers,
        optional: name.endsWith(", where configured"),
        sessions: sessions === "all" ? [1, 2, 3] : sessions.split(",").map((each) => hex(each)),
        security,
        functional: functional === "yes",
      };
    });
}
