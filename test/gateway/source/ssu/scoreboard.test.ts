import { describe, expect, it } from "vitest";
import { type Instant, ms, plus, s } from "../../../../emulator/kernel/time.ts";
import { Scoreboard } from "../../../../gateway/source/ssu/scoreboard.ts";
import { SsuWorld } from "../../../support/ssu-link.ts";

const START = 0 as Instant;
const at = (millis: number): Instant => plus(START, ms(millis));

describe("the round trip that an acknowledgement tells", () => {
  it("is that of the latest piece that was sent once", () => {
    const board = new Scoreboard();
    board.sent(0, 100, false, START);
    board.sent(100, 200, false, at(5));
    expect(board.acknowledge(200, [], at(25), undefined).rtt).toBe(ms(20));
  });

  it("is none when a piece that was sent again is acknowledged too: what stood behind the hole may have come long ago", () => {
    const board = new Scoreboard();
    board.sent(0, 100, false, START);
    board.sent(100, 200, false, START);
    board.loseAll();
    const lost = board.firstLost;
    if (lost === undefined) throw new Error("nothing is lost");
    board.resend(lost, 100, at(1000));
    expect(board.acknowledge(200, [], at(1020), ms(10)).rtt).toBeUndefined();
  });
});

describe("over a way that loses every fifth datagram, both ways", () => {
  it("300 kB come within minutes", () => {
    const world = new SsuWorld({ seed: 1, delay: ms(25), rate: 10e6, loss: 0.2 });
    const content = new Uint8Array(300_000).map((_, index) => index);
    world.onServer = (id, output) => {
      if (output.type === "opened") world.serve(id, content);
    };
    const client = world.connect({});
    client.send(Uint8Array.of(1), false);
    expect(world.runUntil(() => client.seen.has("ended"), s(400))).toBe(true);
    expect(Buffer.compare(client.seen.bytes, content)).toBe(0);
  });
});
