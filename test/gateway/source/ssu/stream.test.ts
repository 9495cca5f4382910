import { describe, expect, it } from "vitest";
import { Prng } from "../../../../emulator/kernel/prng.ts";
import { ms, s, toMs, toSeconds } from "../../../../emulator/kernel/time.ts";
import { decodePacket, encodePacket } from "../../../../gateway/source/ssu/packet.ts";
import { SsuSession } from "../../../../gateway/source/ssu/session.ts";
import { ssuConfig } from "../../../../gateway/source/ssu/ssu-config.ts";
import { type LinkFaults, type SimClient, type SimOptions, SsuWorld, seededCrypto } from "../../../support/ssu-link.ts";

const bytes = (length: number, seed = 1): Uint8Array => new Prng(seed).bytes(length);
const same = (a: Uint8Array | undefined, b: Uint8Array): boolean => a !== undefined && Buffer.compare(a, b) === 0;

/** Both sides send, end, and wait for the other. */
function exchange(options: SimOptions, up: Uint8Array, down: Uint8Array): { world: SsuWorld; client: SimClient } {
  const world = new SsuWorld(options);
  world.onServer = (session, output) => {
    if (output.type === "opened") world.serve(session, down);
  };
  const client = world.connect();
  client.send(up);
  return { world, client };
}

describe("a stream", () => {
  it("opens, carries bytes both ways and closes", () => {
    const [up, down] = [bytes(100_000, 1), bytes(50_000, 2)];
    const { world, client } = exchange({ delay: ms(25) }, up, down);
    expect(world.runUntil(() => client.seen.has("closed"), s(20))).toBe(true);
    expect(same(world.served.get(0)?.bytes, up) && same(client.seen.bytes, down)).toBe(true);
    expect(client.seen.types).toEqual(["opened", "ended", "closed"]);
    world.run(s(130));
    expect(world.listener.sessions).toBe(0);
    expect(client.session.state).toBe("CLOSED");
    expect(client.session.counters.resent).toBe(0);
  });

  it("delivers every byte once and in order, whatever the way does, and always ends", () => {
    for (let seed = 1; seed <= 60; seed++) {
      const chance = new Prng(`faults ${seed}`);
      const pick = (max: number): number => (chance.below(1000) / 1000) * max;
      const options: SimOptions = {
        seed,
        delay: ms(1 + chance.below(100)),
        ...(seed % 3 === 0 ? { rate: 1e6 + chance.below(1e7) } : {}),
        loss: pick(0.2),
        duplicate: pick(0.2),
        corrupt: pick(0.1),
        reorder: pick(0.5),
        jitter: ms(1 + chance.below(200)),
      };
      const [up, down] = [bytes(chance.below(60_000), seed), bytes(chance.below(60_000), seed + 1000)];
      const { world, client } = exchange(options, up, down);
      const ended = (): boolean => client.seen.has("closed") || client.seen.has("failed");
      expect(world.runUntil(ended, s(3600)), `SEED=${seed} ends`).toBe(true);
      expect(client.seen.failure, `SEED=${seed}`).toBeUndefined();
      expect(same(world.served.get(0)?.bytes, up) && same(client.seen.bytes, down), `SEED=${seed}`).toBe(true);
    }
  });

  it("gives a prefix and nothing else when the way breaks for good", () => {
    for (let seed = 1; seed <= 10; seed++) {
      const up = bytes(400_000, seed);
      const { world, client } = exchange({ seed, delay: ms(10), loss: 0.02, rate: 8e6 }, up, new Uint8Array(0));
      world.run(ms(100 + 20 * seed));
      client.up.faults = { loss: 1 };
      client.down.faults = { loss: 1 };
      expect(world.runUntil(() => client.seen.has("failed"), s(400))).toBe(true);
      expect(client.seen.failure?.code).toBe("SSU_TIMEOUT");
      const came = world.served.get(0)?.bytes ?? new Uint8Array(0);
      expect(same(came, up.subarray(0, came.length))).toBe(true);
    }
  });

  it("goes on after hours of silence, with a window that is not stale", () => {
    const world = new SsuWorld({ delay: ms(25), rate: 10e6 });
    const client = world.connect();
    client.send(bytes(500_000), false);
    world.run(s(10));
    world.run(s(5 * 3600));
    client.send(bytes(500_000, 2));
    expect(world.runUntil(() => world.served.get(0)?.has("ended") === true, s(30))).toBe(true);
    expect(same(world.served.get(0)?.bytes, Buffer.concat([bytes(500_000), bytes(500_000, 2)]))).toBe(true);
  });

  it("finds a peer that has gone, when it is told to ask", () => {
    const world = new SsuWorld({ delay: ms(25), config: { keepAlive: s(30) } });
    const client = world.connect();
    world.run(s(3600));
    expect(client.seen.has("failed")).toBe(false);
    client.up.faults = { loss: 1 };
    expect(world.runUntil(() => client.seen.has("failed"), s(100))).toBe(true);
    expect(client.seen.failure?.code).toBe("SSU_TIMEOUT");
  });

  it("makes its datagrams smaller when the way becomes too narrow, and larger again", () => {
    const sizes: number[] = [];
    const { world, client } = exchange({ delay: ms(10), rate: 8e6 }, bytes(3_000_000), new Uint8Array(0));
    world.run(ms(300));
    client.up.faults = {
      mangle: (data) => {
        if (data.length > 600) return undefined;
        sizes.push(data.length);
        return data;
      },
    };
    world.runUntil(() => client.seen.has("closed"), s(30));
    expect(Math.max(...sizes)).toBe(548);
    expect(same(world.served.get(0)?.bytes, bytes(3_000_000))).toBe(true);
    const second = world.connect();
    second.send(bytes(20_000), false);
    second.up.faults = { mtu: 600 };
    world.run(s(601));
    sizes.length = 0;
    second.up.faults = {
      mangle: (data) => {
        sizes.push(data.length);
        return data;
      },
    };
    second.send(bytes(20_000));
    world.run(s(5));
    expect(Math.max(...sizes)).toBe(1200);
  });

  it("ends one way and goes on the other", () => {
    const world = new SsuWorld({ delay: ms(10) });
    const client = world.connect();
    client.send(bytes(10));
    world.run(s(1));
    expect(client.session.state).toBe("FIN-WAIT-2");
    world.serve(0, bytes(30_000, 2));
    world.run(s(1));
    expect(same(client.seen.bytes, bytes(30_000, 2))).toBe(true);
    expect(client.session.state).toBe("TIME-WAIT");
  });

  it("tells the peer of an abort, even when bytes before it were lost", () => {
    const world = new SsuWorld({ delay: ms(10) });
    const client = world.connect();
    world.run(s(1));
    client.up.faults = { loss: 1 };
    client.send(bytes(5000), false);
    client.up.faults = {};
    client.push({ type: "abort" });
    world.push({ type: "session", session: 0, input: { type: "write", data: bytes(10) } });
    world.run(s(1));
    expect(client.seen.failure?.code).toBe("SSU_ABORTED");
    expect(world.served.get(0)?.failure).toMatchObject({ code: "SSU_RESET", alert: 90 });
    expect(world.listener.sessions).toBe(0);
  });

  it("gives up when nobody answers, after 30 s", () => {
    const world = new SsuWorld({ delay: ms(10) });
    const client = world.connect({}, { loss: 1 });
    expect(world.runUntil(() => client.seen.has("gone"), s(100))).toBe(true);
    expect(client.seen.failure?.code).toBe("SSU_UNREACHABLE");
    expect(toSeconds(world.now)).toBe(30);
  });

  it("opens although the ACK with the cookie is lost and the client has nothing to say", () => {
    const world = new SsuWorld({ delay: ms(10) });
    let lost = 0;
    const mangle = (data: Uint8Array): Uint8Array | undefined => {
      const packet = decodePacket(data);
      return packet.type === "packet" && packet.options.cookie !== undefined && lost++ < 3 ? undefined : data;
    };
    const client = world.connect({}, { delay: ms(10), mangle });
    world.run(s(10));
    expect(world.served.get(0)?.has("opened")).toBe(true);
    expect(client.session.state).toBe("ESTABLISHED");
  });
});

describe("flow control", () => {
  it("stops when nobody reads, asks for the window, and goes on", () => {
    const world = new SsuWorld({ delay: ms(10), rate: 50e6 });
    const up = bytes(2_000_000);
    const client = world.connect();
    world.onServer = (session, output) => {
      if (output.type === "opened") world.push({ type: "session", session, input: { type: "pause" } });
    };
    client.send(up);
    world.run(s(5));
    expect(world.served.get(0)?.bytes.length).toBe(0);
    const before = client.session.counters.sent;
    world.run(s(3600));
    const probes = client.session.counters.sent - before;
    expect(probes).toBeGreaterThan(55); // one a minute in the end
    expect(probes).toBeLessThan(75);
    world.push({ type: "session", session: 0, input: { type: "resume" } });
    expect(world.runUntil(() => world.served.get(0)?.has("ended") === true, s(120))).toBe(true);
    expect(same(world.served.get(0)?.bytes, up)).toBe(true);
  });

  it("sends no silly segments when the reader takes little at a time", () => {
    const lengths: number[] = [];
    const mangle = (data: Uint8Array): Uint8Array => {
      const packet = decodePacket(data);
      if (packet.type === "packet" && packet.payload.length > 0) lengths.push(packet.payload.length);
      return data;
    };
    const world = new SsuWorld({ delay: ms(1), config: { receiveBuffer: 16_384 } });
    const client = world.connect({}, { delay: ms(1), mangle });
    client.send(bytes(300_000));
    world.run(s(2));
    const small = lengths.filter((length) => length < 1160).length;
    expect(small).toBeLessThan(lengths.length / 10);
    expect(same(world.served.get(0)?.bytes, bytes(300_000))).toBe(true);
  });
});

describe("a session", () => {
  it("can be taken out in the middle of a transfer and goes on the same in another object", () => {
    const seed = 5;
    const config = ssuConfig({});
    const run = (fork: boolean): string => {
      const { world, client } = exchange(
        { seed, delay: ms(20), rate: 8e6, loss: 0.03 },
        bytes(300_000),
        bytes(1000, 2),
      );
      world.run(ms(250));
      if (fork) {
        const other = new SsuSession(config, seededCrypto("x"), { role: "client", security: 0 }, world.now);
        other.load(client.session.save());
        const state = other.save();
        expect(state).toEqual(client.session.save());
        client.session.load(state);
      }
      world.runUntil(() => client.seen.has("closed"), s(60));
      return `${toMs(world.now)} ${JSON.stringify(client.session.counters)} ${same(world.served.get(0)?.bytes, bytes(300_000))}`;
    };
    expect(run(true)).toBe(run(false));
    expect(run(true)).toMatch(/true$/);
  });
});

describe("a peer without SACK", () => {
  const stripped: LinkFaults["mangle"] = (data) => {
    const packet = decodePacket(data);
    if (packet.type !== "packet" || packet.options.sack === undefined) return data;
    const { sack: _, ...options } = packet.options;
    return encodePacket({ ...packet, options });
  };

  it("gets what was lost by duplicate acknowledgements, several losses in one window included", () => {
    const { world, client } = exchange({ delay: ms(25), rate: 20e6 }, bytes(1_500_000), new Uint8Array(0));
    client.down.faults = { mangle: stripped };
    let count = 0;
    const lost = new Set([60, 63, 66, 200, 350, 351]);
    client.up.faults = { mangle: (data) => (lost.has(count++) ? undefined : data) };
    expect(world.runUntil(() => client.seen.has("closed"), s(60))).toBe(true);
    expect(same(world.served.get(0)?.bytes, bytes(1_500_000))).toBe(true);
    expect(client.session.counters.resent).toBeLessThanOrEqual(8);
    expect(toSeconds(world.now)).toBeLessThan(4);
  });
});
