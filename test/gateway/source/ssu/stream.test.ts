import { describe, expect, it } from "vitest";
import { Prng } from "../../../../emulator/kernel/prng.ts";
import { ms, s, toSeconds } from "../../../../emulator/kernel/time.ts";
import { SsuWorld } from "../../../support/ssu-link.ts";

const bytes = (length: number, seed = 1): Uint8Array => new Prng(seed).bytes(length);

describe("a plaintext stream", () => {
  it("opens, carries bytes both ways and closes", () => {
    const world = new SsuWorld({ delay: ms(25) });
    const up = bytes(100_000, 1);
    const down = bytes(50_000, 2);
    world.onServer = (session, output) => {
      if (output.type === "ended") world.serve(session, down);
    };
    const client = world.connect();
    client.send(up);
    expect(world.runUntil(() => client.seen.has("closed"), s(20))).toBe(true);
    const served = world.served.get(0);
    expect(served?.bytes).toEqual(up);
    expect(client.seen.bytes).toEqual(down);
    expect(client.seen.types).toEqual(["opened", "ended", "closed"]);
    expect(client.session.state).toBe("TIME-WAIT");
    world.run(s(60));
    expect(world.listener.sessions).toBe(0);
    expect(client.session.state).toBe("CLOSED");
    console.log(toSeconds(world.now), client.session.counters, served?.types);
  });

  it("survives loss", () => {
    const world = new SsuWorld({ delay: ms(25), rate: 10e6, loss: 0.05, reorder: 0.05, jitter: ms(10), duplicate: 0.02, corrupt: 0.02, seed: 3 });
    const up = bytes(2_000_000, 1);
    const client = world.connect();
    world.onServer = (session, output) => {
      if (output.type === "ended") world.push({ type: "session", session, input: { type: "end" } });
    };
    client.send(up);
    const done = world.runUntil(() => client.seen.has("closed"), s(200));
    console.log(toSeconds(world.now), client.session.counters, client.seen.failure, client.session.state);
    expect(done).toBe(true);
    expect(Buffer.compare(world.served.get(0)?.bytes as Uint8Array, up)).toBe(0);
  });
});
