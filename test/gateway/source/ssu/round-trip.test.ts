import { describe, expect, it } from "vitest";
import { ms, s, toMs } from "../../../../emulator/kernel/time.ts";
import { RoundTrip } from "../../../../gateway/source/ssu/round-trip.ts";

const bounds = { rtoInitial: s(1), rtoMin: ms(200), rtoMax: s(60) };

describe("the retransmission timeout", () => {
  it("follows RFC 6298 for a sequence of samples", () => {
    const trip = new RoundTrip(bounds);
    expect(toMs(trip.rto)).toBe(1000);
    trip.sample(ms(400)); // SRTT 400, RTTVAR 200
    expect(toMs(trip.rto)).toBe(1200);
    trip.sample(ms(800)); // RTTVAR 3/4 200 + 1/4 400 = 250, SRTT 450
    expect(toMs(trip.rto)).toBe(1450);
    trip.sample(ms(450)); // RTTVAR 187.5, SRTT 450
    expect(toMs(trip.rto)).toBe(1200);
    expect(toMs(trip.rttMin ?? s(0))).toBe(400);
  });

  it("is doubled by each timeout up to 60 s, until there is a sample", () => {
    const trip = new RoundTrip(bounds);
    trip.sample(ms(100));
    const seen = Array.from({ length: 10 }, () => {
      trip.backOff();
      return toMs(trip.rto);
    });
    expect(seen).toEqual([600, 1200, 2400, 4800, 9600, 19_200, 38_400, 60_000, 60_000, 60_000]);
    trip.sample(ms(100));
    expect(toMs(trip.rto)).toBe(250); // 100 + 4 * 37.5
  });

  it("is never below 200 ms, and 3 s after an opening that had to be repeated", () => {
    const trip = new RoundTrip(bounds);
    trip.afterRepeatedOpening();
    expect(toMs(trip.rto)).toBe(3000);
    for (let count = 0; count < 50; count++) trip.sample(ms(1));
    expect(toMs(trip.rto)).toBe(200);
    trip.afterRepeatedOpening();
    expect(toMs(trip.rto)).toBe(200);
  });
});
