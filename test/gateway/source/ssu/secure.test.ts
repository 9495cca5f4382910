import { describe, expect, it } from "vitest";
import { Prng } from "../../../../emulator/kernel/prng.ts";
import { ms, s, toSeconds } from "../../../../emulator/kernel/time.ts";
import { ssuIdentity, ssuTrust } from "../../../../hil/crypto/ssu-credentials.ts";
import { testTls } from "../../../support/https-client.ts";
import { SsuWorld } from "../../../support/ssu-link.ts";

const bytes = (length: number, seed = 1): Uint8Array => new Prng(seed).bytes(length);

describe("a secure stream", () => {
  it("opens, carries bytes both ways and closes", () => {
    const tls = testTls();
    const identity = ssuIdentity(tls.certificate, tls.privateKey);
    const trust = ssuTrust({ ca: tls.ca });
    const world = new SsuWorld({ delay: ms(25), loss: 0.01, listener: { identity, accepts: "secure", earlyMax: 4096 } });
    const up = bytes(100_000, 1);
    const down = bytes(50_000, 2);
    world.onServer = (session, output) => {
      if (output.type === "ended") world.serve(session, down);
    };
    const client = world.connect({ security: 1, trust, serverName: "localhost" });
    client.send(up);
    const done = world.runUntil(() => client.seen.has("closed"), s(20));
    console.log(toSeconds(world.now), client.session.counters, client.seen.events, world.served.get(0)?.events);
    expect(done).toBe(true);
    const served = world.served.get(0);
    expect(served?.bytes).toEqual(up);
    expect(client.seen.bytes).toEqual(down);
    const ticket = client.seen.events.flatMap((e) => e.type === "ticket" ? [e.ticket] : [])[0];
    const early = bytes(1000,5);
    const second = world.connect({ security: 1, trust, serverName: "localhost", ticket, early });
    second.send(new Uint8Array(0));
    world.runUntil(() => second.seen.has("closed"), s(20));
    console.log(second.seen.events, world.served.get(1)?.events, world.served.get(1)?.early);
    expect(world.served.get(1)?.bytes).toEqual(early);
  });
});
