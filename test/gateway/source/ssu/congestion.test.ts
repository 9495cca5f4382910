import { describe, expect, it } from "vitest";
import { Congestion } from "../../../../gateway/source/ssu/congestion.ts";

const MSS = 1000;

describe("the congestion window", () => {
  it("begins as RFC 6928 says", () => {
    expect([500, 1000, 1460, 4000, 16_000].map((mss) => new Congestion(mss, 0).cwnd)).toEqual([
      5000, 10_000, 14_600, 14_600, 32_000,
    ]);
  });

  it("doubles in slow start and grows by a segment a round trip above ssthresh", () => {
    const congestion = new Congestion(MSS, 0);
    for (let count = 0; count < 10; count++) congestion.acknowledged(MSS, true);
    expect(congestion.cwnd).toBe(20_000);
    congestion.enterRecovery(20_000, 100_000);
    congestion.leaveRecovery(20_000);
    expect([congestion.ssthresh, congestion.cwnd]).toEqual([10_000, 10_000]);
    for (let count = 0; count < 10; count++) congestion.acknowledged(MSS, true);
    expect(congestion.cwnd).toBe(11_000);
    for (let count = 0; count < 11; count++) congestion.acknowledged(MSS, true);
    expect(congestion.cwnd).toBe(12_000);
  });

  it("grows by a segment at most for an acknowledgement of many", () => {
    const congestion = new Congestion(MSS, 0);
    congestion.acknowledged(50 * MSS, true);
    expect(congestion.cwnd).toBe(11_000);
  });

  it("does not grow when it is not what holds the sender back", () => {
    const congestion = new Congestion(MSS, 0);
    congestion.acknowledged(MSS, false);
    expect(congestion.cwnd).toBe(10_000);
  });

  it("falls to one segment at a timeout, and ssthresh once for the same data", () => {
    const congestion = new Congestion(MSS, 0);
    congestion.timedOut(20_000, 5, false);
    expect([congestion.cwnd, congestion.ssthresh]).toEqual([MSS, 10_000]);
    congestion.timedOut(20_000, 5, true);
    congestion.timedOut(1000, 5, true);
    expect([congestion.cwnd, congestion.ssthresh]).toEqual([MSS, 10_000]);
    congestion.timedOut(1000, 5, false);
    expect(congestion.ssthresh).toBe(2 * MSS);
  });

  it("is never over the initial window after an idle time, and does not become more by it", () => {
    const congestion = new Congestion(MSS, 0);
    for (let count = 0; count < 90; count++) congestion.acknowledged(MSS, true);
    congestion.restartAfterIdle();
    expect(congestion.cwnd).toBe(10_000);
    congestion.timedOut(2000, 0, false);
    congestion.restartAfterIdle();
    expect(congestion.cwnd).toBe(MSS);
  });

  it("leaves recovery without a burst when little is under way", () => {
    const congestion = new Congestion(MSS, 0);
    congestion.enterRecovery(40_000, 100_000);
    congestion.leaveRecovery(3000);
    expect(congestion.cwnd).toBe(4000);
    expect(congestion.recover).toBe(100_000);
  });
});
