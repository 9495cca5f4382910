import { expect, it } from "vitest";
import {
  type Duration,
  earliest,
  type Instant,
  ms,
  ns,
  plus,
  RUN_START,
  s,
  toMs,
  toSeconds,
  us,
} from "../../../emulator/kernel/time.ts";

it("counts in integer nanoseconds, the nearest one", () => {
  expect([ns(1.4), us(0.1), us(0.0004), ms(1.0000005), s(0.1)]).toEqual([1, 100, 0, 1_000_001, 100_000_000]);
});

it("is exact for 104 days", () => {
  const late = plus(RUN_START, s(104 * 86_400));
  expect(plus(late, ns(1)) - late).toBe(1);
  expect(late).toBeLessThan(Number.MAX_SAFE_INTEGER);
});

it("is told in milliseconds and seconds at the edges", () => {
  expect([toMs(us(1500)), toSeconds(ms(250))]).toEqual([1.5, 0.25]);
});

it("finds the earliest of the deadlines that are set", () => {
  expect(earliest()).toBeUndefined();
  expect(earliest(undefined, undefined)).toBeUndefined();
  expect(earliest(5 as Instant, undefined, 3 as Instant, 4 as Instant)).toBe(3);
  expect(earliest(undefined, plus(RUN_START, 0 as Duration))).toBe(0);
});
