import { describe, expect, it } from "vitest";
import { type Instant, plus, s } from "../../../../emulator/kernel/time.ts";
import { DatagramSize } from "../../../../gateway/source/ssu/datagram-size.ts";

const START = 0 as Instant;

describe("the size of datagrams", () => {
  it("falls to 1200 and to 548 at two timeouts in a row, and is tried again after 600 s", () => {
    const size = new DatagramSize(16_384);
    expect([size.change(START, 1), size.now]).toEqual([false, 16_384]);
    expect([size.change(START, 2), size.now]).toEqual([true, 1200]);
    expect([size.change(START, 3), size.now]).toEqual([true, 548]);
    expect([size.change(plus(START, s(599)), 0), size.now]).toEqual([false, 548]);
    expect([size.change(plus(START, s(600)), 0), size.now]).toEqual([true, 16_384]);
  });

  it("leaves no deadline behind when the 600 s end in the middle of timeouts", () => {
    const size = new DatagramSize(1200);
    size.change(START, 2);
    const later = plus(START, s(600));
    expect(size.change(later, 2)).toBe(false);
    expect(size.deadline).toBe(plus(later, s(600)));
  });
});
