import { describe, expect, it } from "vitest";
import { Prng } from "../../../../emulator/kernel/prng.ts";
import { ms, s } from "../../../../emulator/kernel/time.ts";
import { type DecodedPacket, decodePacket, encodePacket, PacketFlag } from "../../../../gateway/source/ssu/packet.ts";
import type { ClientSide } from "../../../../gateway/source/ssu/session-io.ts";
import { ssuIdentity, ssuTrust } from "../../../../hil/crypto/ssu-credentials.ts";
import { testTls } from "../../../support/https-client.ts";
import { type SimClient, SsuWorld } from "../../../support/ssu-link.ts";

const bytes = (length: number, seed = 1): Uint8Array => new Prng(seed).bytes(length);
const tls = testTls();
const identity = ssuIdentity(tls.certificate, tls.privateKey);
const SECURE = { security: 1, trust: ssuTrust({ ca: tls.ca }), serverName: "localhost" } as const;
const NOTHING = new Uint8Array(0);
const ADDRESS = "10.0.0.1:4000";

interface Tapped {
  readonly world: SsuWorld;
  readonly client: SimClient;
  /** The last packet in each direction. */
  readonly up: () => DecodedPacket;
  readonly down: () => DecodedPacket;
}

/** An open connection, and somebody who listens. */
function tapped(side: Partial<ClientSide> = {}): Tapped {
  const world = new SsuWorld({ delay: ms(5), listener: { identity, accepts: "either" } });
  const last: { up?: DecodedPacket; down?: DecodedPacket } = {};
  const client = world.connect(side);
  const tap = (way: "up" | "down") => (data: Uint8Array) => {
    const packet = decodePacket(data);
    if (packet.type === "packet") last[way] = packet;
    return data;
  };
  client.up.faults = { mangle: tap("up") };
  client.down.faults = { mangle: tap("down") };
  world.run(s(1));
  client.send(bytes(1000), false);
  world.run(s(1));
  world.serve(0, bytes(1000, 2), false);
  world.run(s(1));
  return { world, client, up: () => last.up as DecodedPacket, down: () => last.down as DecodedPacket };
}

const isAlive = ({ world, client }: Tapped): boolean => {
  client.send(bytes(5000, 3), false);
  world.run(s(5));
  return world.served.get(0)?.bytes.length === 6000 && !client.seen.has("failed") && !client.seen.has("ended");
};

describe("forged packets in a plaintext stream", () => {
  it("with a wrong id, from a wrong address, or before anything is known do nothing", () => {
    const stream = tapped();
    const { world, up } = stream;
    const reset = { ...up(), flags: PacketFlag.Rst | PacketFlag.Ack, options: {}, payload: NOTHING };
    for (const to of [0n, 1n, up().to ^ 1n]) world.inject(encodePacket({ ...reset, to }), ADDRESS);
    world.inject(encodePacket(reset), "10.6.6.6:4000");
    expect(world.listener.dropped).toMatchObject({ connectionId: 3, address: 1 });
    expect(isAlive(stream)).toBe(true);
  });

  it.each([
    ["RST", PacketFlag.Rst | PacketFlag.Ack],
    ["FIN", PacketFlag.Fin | PacketFlag.Ack],
    ["SYN", PacketFlag.Syn],
    ["SYN-ACK", PacketFlag.Syn | PacketFlag.Ack],
  ])("%s anywhere but at the next number neither closes nor locks out", (_, flags) => {
    const stream = tapped();
    const { world, client, up, down } = stream;
    for (const distance of [-70_000, -1000, -1, 1, 1000, 100_000, 262_143, 262_144, 1e9]) {
      const seqUp = up().seq + up().payload.length + distance;
      const seqDown = down().seq + down().payload.length + distance;
      world.inject(encodePacket({ ...up(), flags, seq: Math.max(0, seqUp), options: {}, payload: NOTHING }), ADDRESS);
      const forged = { ...down(), flags, seq: Math.max(0, seqDown), options: {}, payload: NOTHING };
      client.push({ type: "datagram", data: encodePacket(forged) });
    }
    expect(isAlive(stream)).toBe(true);
  });

  it("FIN ahead of what has come, with bytes before it, ends nothing: what crosses it is taken", () => {
    const stream = tapped();
    const { world, up } = stream;
    const seq = up().seq + up().payload.length;
    for (const payload of [NOTHING, bytes(10, 3).subarray(5)]) {
      world.inject(encodePacket({ ...up(), flags: 0x11, seq: seq + 5, options: {}, payload }), ADDRESS);
    }
    expect(isAlive(stream)).toBe(true);
    const end = up().seq + up().payload.length;
    world.inject(encodePacket({ ...up(), flags: 0x11, seq: end, options: {}, payload: NOTHING }), ADDRESS);
    expect(world.served.get(0)?.has("ended")).toBe(true);
  });

  it("acknowledgements of what was never sent are dropped, as are those far too old", () => {
    const stream = tapped();
    const { client, down } = stream;
    const { seq, ack, payload } = down();
    for (const distance of [1, 1000, 1e12, -300_000]) {
      const forged = {
        ...down(),
        seq: seq + payload.length,
        ack: Math.max(0, ack + distance),
        options: {},
        payload: NOTHING,
      };
      client.push({ type: "datagram", data: encodePacket(forged) });
    }
    expect(client.session.counters.dropped.acknowledgement).toBe(4);
    expect(isAlive(stream)).toBe(true);
  });

  it("make the victim answer ten times a second at most", () => {
    const { client, down } = tapped();
    const before = client.session.counters.sent;
    const forged = encodePacket({ ...down(), options: {}, payload: NOTHING, ack: down().ack + 5000 });
    for (let count = 0; count < 1000; count++) client.push({ type: "datagram", data: forged });
    expect(client.session.counters.sent - before).toBe(10);
  });
});

describe("forged packets in a secure stream", () => {
  it.each([
    ["RST", PacketFlag.Rst | PacketFlag.Ack],
    ["FIN", PacketFlag.Fin | PacketFlag.Ack],
    ["ACK with a window of 0", PacketFlag.Ack],
  ])("%s at the very right number, by somebody who reads everything, does nothing", (_, flags) => {
    const stream = tapped(SECURE);
    const { world, client, up, down } = stream;
    const seq = (packet: DecodedPacket): number => packet.seq + packet.payload.length;
    const forged = { flags, window: 0, options: {}, payload: NOTHING };
    world.inject(encodePacket({ ...up(), ...forged, seq: seq(up()) }), ADDRESS);
    client.push({ type: "datagram", data: encodePacket({ ...down(), ...forged, seq: seq(down()) }) });
    const tagged = encodePacket({ ...down(), ...forged, seq: seq(down()) }, () => new Uint8Array(16));
    client.push({ type: "datagram", data: tagged });
    expect(client.session.counters.dropped.unauthenticated).toBe(2);
    expect(isAlive(stream)).toBe(true);
  });

  it("nor does any packet that was sent before, played again", () => {
    const world = new SsuWorld({ delay: ms(5), listener: { identity, accepts: "secure" } });
    const client = world.connect(SECURE);
    const wire: Uint8Array[] = [];
    client.up.faults = {
      mangle: (data) => {
        wire.push(data);
        return data;
      },
    };
    client.send(bytes(100_000), false);
    world.run(s(3));
    for (const data of wire) world.inject(data, ADDRESS);
    world.run(s(1));
    client.send(bytes(1000, 2), false);
    world.run(s(1));
    expect(
      Buffer.compare(world.served.get(0)?.bytes as Uint8Array, Buffer.concat([bytes(100_000), bytes(1000, 2)])),
    ).toBe(0);
  });
});

describe("a flood", () => {
  const syn = (client: SimClient): Uint8Array => (client.session.save().opener as { syn: Uint8Array }).syn;

  it("of SYNs from addresses that do not exist costs the server nothing that stays", () => {
    const world = new SsuWorld({ delay: ms(5), listener: { identity, accepts: "secure" } });
    const data = syn(world.connect(SECURE, { loss: 1 }));
    for (let count = 0; count < 20_000; count++) world.inject(data, `10.${count >> 8}.${count & 0xff}.1:9`);
    expect(world.listener.sessions).toBe(0);
    expect(world.listener.nextDeadline()).toBeUndefined();
    const client = world.connect(SECURE);
    world.run(s(1));
    expect(client.seen.has("opened")).toBe(true);
  });

  it("is not made larger by the server: no answer is longer than what it answers", () => {
    for (const accepts of ["secure", "plain"] as const) {
      const world = new SsuWorld({ delay: ms(5), listener: { identity, accepts } });
      const lengths: number[] = [];
      const mangle = (data: Uint8Array): Uint8Array => {
        lengths.push(data.length);
        return data;
      };
      const client = world.connect(SECURE, { loss: 1 });
      client.down.faults = { mangle };
      const data = syn(client);
      for (let length = 40; length <= data.length; length++) world.inject(data.subarray(0, length), ADDRESS);
      world.inject(data, ADDRESS);
      world.run(ms(100));
      expect(lengths.length).toBe(2);
      expect(Math.max(...lengths)).toBeLessThanOrEqual(data.length);
      const short = decodePacket(data) as DecodedPacket;
      world.inject(encodePacket({ ...short, options: { ...short.options, pad: 0 } }), ADDRESS);
      expect(world.listener.dropped.shortSyn).toBe(1);
    }
  });

  it("of handshakes that are begun and not ended is bounded, for one host and for all", () => {
    const world = new SsuWorld({ delay: ms(1), listener: { identity, accepts: "secure" } });
    const cut = (data: Uint8Array): Uint8Array | undefined => {
      const packet = decodePacket(data); // nothing comes of what the server says
      return packet.type === "packet" && packet.payload.length > 0 && packet.options.cookie === undefined
        ? undefined
        : data;
    };
    const attack = (host: number, count: number): void => {
      for (let index = 0; index < count; index++) {
        world.connect(SECURE, { delay: ms(1), mangle: cut }, `10.1.${host}.1:${1000 + index}`);
        world.run(ms(5));
      }
    };
    attack(0, 20);
    expect(world.listener.sessions).toBe(8);
    for (let host = 1; host < 15; host++) attack(host, 8);
    expect(world.listener.sessions).toBe(64);
    expect(world.listener.dropped.tooMany).toBeGreaterThan(50);
    world.run(s(40));
    expect(world.listener.sessions).toBe(0);
    const client = world.connect(SECURE, undefined, "10.9.9.9:1");
    world.run(s(1));
    expect(client.seen.has("opened")).toBe(true);
  });

  it("of bytes before the handshake has ended fills 16 KiB and no more", () => {
    const world = new SsuWorld({ delay: ms(1), listener: { identity, accepts: "secure" } });
    let edge = 0;
    const client = world.connect(SECURE, { delay: ms(1) });
    client.down.faults = {
      mangle: (data) => {
        const packet = decodePacket(data);
        if (packet.type === "packet") edge = Math.max(edge, packet.ack + packet.window);
        return undefined;
      },
    };
    world.run(s(5));
    const { iss } = (client.session.save().opener ?? { iss: 0 }) as { iss: number };
    expect(edge - iss - 1).toBeLessThanOrEqual(16_384);
  });
});

describe("a cookie", () => {
  const cookiePacket = (world: SsuWorld): { data: Uint8Array; client: SimClient } => {
    let data: Uint8Array | undefined;
    const mangle = (each: Uint8Array): Uint8Array => {
      const packet = decodePacket(each);
      if (packet.type === "packet" && packet.flags === PacketFlag.Ack && packet.options.cookie !== undefined) {
        data ??= each.slice();
      }
      return each;
    };
    const client = world.connect({}, { delay: ms(5), mangle });
    world.run(ms(100));
    return { data: data as Uint8Array, client };
  };

  it("opens one connection: not from another address, not changed, not after 30 s, and not twice", () => {
    const world = new SsuWorld({ delay: ms(5) });
    const { data, client } = cookiePacket(world);
    const packet = decodePacket(data) as DecodedPacket;
    client.push({ type: "abort" });
    world.run(ms(100));
    expect(world.listener.sessions).toBe(0);
    world.inject(data, "10.0.0.1:4000");
    world.inject(data, "10.6.6.6:4000");
    for (let index = 0; index < (packet.options.cookie?.length ?? 0); index++) {
      const cookie = (packet.options.cookie as Uint8Array).slice();
      cookie[index] = (cookie[index] as number) ^ 0x40;
      world.inject(encodePacket({ ...packet, options: { cookie } }), "10.0.0.1:4000");
    }
    world.run(s(32));
    world.inject(data, "10.0.0.1:4000");
    expect(world.listener.sessions).toBe(0);
    expect(world.listener.dropped.cookie).toBe(90);
  });
});

describe("a SYN with a number that can't be", () => {
  /** How many of these SYNs are answered, and what became of the others. */
  function answered(seqs: number[], sizes: number[]): unknown {
    const world = new SsuWorld({ delay: ms(5) });
    const client = world.connect({}, { loss: 1 });
    let answers = 0;
    client.down.faults = {
      mangle: (data) => {
        answers++;
        return data;
      },
    };
    for (const seq of seqs) {
      for (const maxDatagram of sizes) {
        const options = { sourceId: 7n, maxDatagram, security: 0, pad: 200 } as const;
        const packet = { flags: PacketFlag.Syn, to: 0n, seq, ack: 0, window: 1, options, payload: NOTHING };
        world.inject(encodePacket(packet), ADDRESS);
      }
    }
    return { answers, dropped: world.listener.dropped };
  }

  it("of the first byte, 2^32 or more, is not answered, so that numbers never come near 2^53", () => {
    expect(answered([2 ** 32, 2 ** 53 - 40, 2 ** 32 - 1], [1200])).toEqual({ answers: 1, dropped: { number: 2 } });
  });

  it("of the largest datagram is not answered: 548 to 65 507 can be", () => {
    expect(answered([1], [547, 548, 65_507, 65_508])).toEqual({ answers: 2, dropped: { options: 2 } });
  });
});

describe("any datagram at all", () => {
  it("is survived by listener and client, and changes nothing", () => {
    const stream = tapped();
    const { world, client, up, down } = stream;
    const chance = new Prng("datagrams");
    const samples = [encodePacket(up()), encodePacket(down())];
    for (let count = 0; count < 5000; count++) {
      const data = (samples[count % 2] as Uint8Array).slice(0, chance.below(3) === 0 ? chance.below(200) : undefined);
      for (let change = chance.below(4); change > 0 && data.length > 0; change--) {
        data[chance.below(data.length)] = chance.below(256);
      }
      if (decodePacket(data).type === "packet") continue;
      world.inject(data, ADDRESS);
      client.push({ type: "datagram", data });
    }
    expect(Object.keys(client.session.counters.dropped).sort()).toEqual(["checksum", "length", "short", "version"]);
    expect(isAlive(stream)).toBe(true);
  });
});
