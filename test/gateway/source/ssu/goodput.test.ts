import { describe, expect, it } from "vitest";
import { linkLimit, mathis, transferOverLink } from "../../../support/ssu-goodput.ts";

describe("8 MiB over 50 ms and 10 Mbit/s", () => {
  it("fill the link when nothing is lost but what its queue has no room for", () => {
    expect(transferOverLink(0, 1).goodput).toBeGreaterThan(0.94 * linkLimit(false));
  });

  it.each([
    [0.001, 0.5, 1.3],
    [0.01, 0.8, 1.3],
    [0.05, 0.7, 1.3],
  ])("come at the rate that Mathis' formula gives for a loss of %d, from %d to %d times", (loss, least, most) => {
    const { goodput } = transferOverLink(loss, 2);
    const expected = Math.min(linkLimit(false), mathis(loss, false));
    expect(goodput / expected).toBeGreaterThan(least);
    expect(goodput / expected).toBeLessThan(most);
  });
});
