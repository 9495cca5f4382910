import { describe, expect, it } from "vitest";
import { SYSTEM_NAMES } from "../../hil/bench/source-schema.ts";
import { goodputRows } from "./goodput-rows.ts";

describe("the goodput rows of npm run bench", () => {
  it("are there for every update system, plain HTTPS first", () => {
    const names = goodputRows.map(({ name }) => name);
    expect(names[0]).toContain("plain HTTPS");
    for (const system of SYSTEM_NAMES) expect(names).toContain(`goodput, ${system}`);
  });

  it.each(goodputRows)("$name: brings what there is", async (row) => {
    const bench = await row.open();
    const mib = (await bench.pull()) / (1024 * 1024);
    await bench.close();
    expect([1, 8]).toContain(mib);
  });
});
