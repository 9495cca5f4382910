import { describe, expect, it } from "vitest";
import { Prng } from "../../../../emulator/kernel/prng.ts";
import { ms, s } from "../../../../emulator/kernel/time.ts";
import type { SsuTicket } from "../../../../gateway/source/ssu/credentials.ts";
import { decodePacket, encodePacket, PacketFlag } from "../../../../gateway/source/ssu/packet.ts";
import type { ClientSide } from "../../../../gateway/source/ssu/session-io.ts";
import { ssuIdentity, ssuTrust } from "../../../../hil/crypto/ssu-credentials.ts";
import { testTls } from "../../../support/https-client.ts";
import { type LinkOptions, type SimClient, SsuWorld } from "../../../support/ssu-link.ts";

const bytes = (length: number, seed = 1): Uint8Array => new Prng(seed).bytes(length);
const same = (a: Uint8Array | undefined, b: Uint8Array): boolean => a !== undefined && Buffer.compare(a, b) === 0;
const tls = testTls();
const identity = ssuIdentity(tls.certificate, tls.privateKey);
const trust = ssuTrust({ ca: tls.ca });
const SECURE = { security: 1, trust, serverName: "localhost" } as const;

const secureWorld = (
  link: LinkOptions = { delay: ms(25) },
  accepts: "secure" | "either" | "plain" = "secure",
): SsuWorld => new SsuWorld({ ...link, listener: { identity, accepts, earlyMax: 4096 } });

/** A client that sends something, and a server that ends when it has. */
function talk(world: SsuWorld, side: Partial<ClientSide>, data: Uint8Array, link?: LinkOptions): SimClient {
  world.onServer = (session, output) => {
    if (output.type === "ended") world.push({ type: "session", session, input: { type: "end" } });
  };
  const client = world.connect(side, link);
  client.send(data);
  world.runUntil(() => client.seen.has("closed") || client.seen.has("failed"), s(300));
  return client;
}

const ticketOf = (client: SimClient): SsuTicket => {
  const event = client.seen.events.find(({ type }) => type === "ticket");
  if (event?.type !== "ticket") throw new Error("no ticket came");
  return event.ticket;
};

/** Changes the payload of the first packet that has more than `length` bytes of it, and makes the checksum right again. */
function altering(change: (payload: Uint8Array) => Uint8Array, length = 500): (data: Uint8Array) => Uint8Array {
  let done = false;
  return (data) => {
    const packet = decodePacket(data);
    if (done || packet.type !== "packet" || packet.payload.length < length) return data;
    done = true;
    return encodePacket({ ...packet, flags: packet.flags & ~PacketFlag.Auth, payload: change(packet.payload) });
  };
}

const flipped = (payload: Uint8Array): Uint8Array => {
  const changed = payload.slice();
  changed[300] = (changed[300] as number) ^ 1;
  return changed;
};

describe("a secure stream", () => {
  it("carries bytes both ways over a bad way, and closes", () => {
    for (let seed = 1; seed <= 12; seed++) {
      const link = { seed, delay: ms(20), loss: 0.05, reorder: 0.1, jitter: ms(50), duplicate: 0.05, corrupt: 0.05 };
      const world = secureWorld(link);
      const [up, down] = [bytes(60_000, seed), bytes(80_000, seed + 100)];
      world.onServer = (session, output) => {
        if (output.type === "ended") world.serve(session, down);
      };
      const client = world.connect(SECURE);
      client.send(up);
      expect(
        world.runUntil(() => client.seen.has("closed"), s(600)),
        `SEED=${seed}`,
      ).toBe(true);
      expect(same(world.served.get(0)?.bytes, up) && same(client.seen.bytes, down), `SEED=${seed}`).toBe(true);
    }
  });

  it("needs one round trip for its handshake, after the one of the opening", () => {
    const world = secureWorld({ delay: ms(50) });
    const client = world.connect(SECURE);
    world.runUntil(() => client.seen.has("opened"), s(5));
    expect(world.now).toBe(ms(200));
  });

  it("shows nobody on the way what it carries", () => {
    const wire: Uint8Array[] = [];
    const text = new TextEncoder().encode("a secret that is easy to find");
    const mangle = (data: Uint8Array): Uint8Array => {
      wire.push(data);
      return data;
    };
    talk(secureWorld(), SECURE, text, { delay: ms(5), mangle });
    expect(Buffer.concat(wire).includes(Buffer.from(text))).toBe(false);
  });
});

describe("what is settled in the opening", () => {
  it("is security when the client insists on it, and a server without it refuses", () => {
    expect(talk(secureWorld(undefined, "either"), SECURE, bytes(10)).session.secure).toBe(true);
    const client = talk(secureWorld(undefined, "plain"), SECURE, bytes(10));
    expect(client.seen.failure).toMatchObject({ code: "SSU_REFUSED", alert: 40 });
  });

  it("is plaintext only if the server takes plaintext", () => {
    expect(talk(secureWorld(undefined, "either"), { security: 0 }, bytes(10)).seen.has("closed")).toBe(true);
    const client = talk(secureWorld(), { security: 0 }, bytes(10));
    expect(client.seen.failure).toMatchObject({ code: "SSU_REFUSED", alert: 71 });
  });

  it("is the best that both have when the client says that it does not mind", () => {
    const side = { ...SECURE, security: 2 } as const;
    expect(talk(secureWorld(), side, bytes(10)).session.secure).toBe(true);
    expect(talk(secureWorld(undefined, "plain"), side, bytes(10)).session.secure).toBe(false);
  });

  it("can't be talked down: a SYN changed to plaintext, or a SYN-ACK", () => {
    const plain = (data: Uint8Array): Uint8Array => {
      const packet = decodePacket(data);
      if (packet.type !== "packet" || packet.options.security === undefined) return data;
      return encodePacket({ ...packet, options: { ...packet.options, security: 0 } });
    };
    const world = secureWorld(undefined, "either");
    const client = talk(world, SECURE, bytes(10), { delay: ms(5), mangle: plain });
    expect(client.seen.failure?.code).toBe("SSU_DOWNGRADE");
    expect(world.served.size).toBe(0);
  });

  it("is vouched for: another datagram size put into the SYN on its way breaks the handshake", () => {
    const mangle = (data: Uint8Array): Uint8Array => {
      const packet = decodePacket(data);
      if (packet.type !== "packet" || packet.options.maxDatagram !== 1200) return data;
      return encodePacket({ ...packet, options: { ...packet.options, maxDatagram: 600 } });
    };
    const client = talk(secureWorld(), SECURE, bytes(10), { delay: ms(5), mangle });
    expect(client.seen.failure?.code).toBe("SSU_ALERT_SENT"); // its transcript is another one, so nothing decrypts
  });
});

describe("records", () => {
  it.each([
    ["altered", flipped],
    ["taken away", (payload: Uint8Array) => new Uint8Array(payload.length).fill(0x17)],
  ])("that were %s on the way before the handshake end the stream with an alert", (_, change) => {
    const world = secureWorld();
    const client = world.connect(SECURE, { delay: ms(5) });
    client.down.faults = { mangle: altering(change) };
    world.run(s(30));
    expect(client.seen.failure?.code).toBe("SSU_ALERT_SENT");
    expect(world.served.get(0)?.failure?.code).toMatch(/SSU_ALERT_RECEIVED|SSU_ALERT_SENT|SSU_RESET/);
    expect(world.listener.sessions).toBe(0);
  });

  it("are out of reach after it: a packet without a good tag is dropped, and sent again", () => {
    const world = secureWorld();
    const client = world.connect(SECURE, { delay: ms(5) });
    world.run(s(1));
    client.up.faults = { mangle: altering(flipped) };
    client.send(bytes(50_000));
    world.run(s(5));
    expect(same(world.served.get(0)?.bytes, bytes(50_000))).toBe(true);
  });
});

describe("resumption", () => {
  it("saves the certificate, and early data arrives with the first flight", () => {
    const world = secureWorld();
    const ticket = ticketOf(talk(world, SECURE, bytes(10)));
    const before = world.now;
    const early = bytes(1000, 5);
    const client = world.connect({ ...SECURE, ticket, early });
    world.runUntil(() => (world.served.get(1)?.early ?? 0) > 0, s(5));
    expect(world.now - before).toBe(ms(75)); // SYN, SYN-ACK, and the flight itself
    client.send(bytes(5000, 6));
    world.runUntil(() => client.seen.has("closed"), s(5));
    expect(client.seen.events[0]).toMatchObject({ type: "opened", resumed: true, earlyAccepted: true });
    expect(same(world.served.get(1)?.bytes, Buffer.concat([early, bytes(5000, 6)]))).toBe(true);
  });

  it("takes a ticket once: the second time there is a whole handshake, and early data comes late", () => {
    const world = secureWorld();
    const ticket = ticketOf(talk(world, SECURE, bytes(10)));
    talk(world, { ...SECURE, ticket, early: bytes(100) }, bytes(10));
    const client = talk(world, { ...SECURE, ticket, early: bytes(100, 2) }, bytes(10, 3));
    expect(client.seen.events[0]).toMatchObject({ type: "opened", resumed: false, earlyAccepted: false });
    expect(world.served.get(2)?.early).toBe(0);
    expect(same(world.served.get(2)?.bytes, Buffer.concat([bytes(100, 2), bytes(10, 3)]))).toBe(true);
  });

  it("does not offer a ticket that has expired, is of another server, or whose server is not believed any more", () => {
    const world = secureWorld();
    const ticket = ticketOf(talk(world, SECURE, bytes(10)));
    for (const other of [
      { ...SECURE, ticket: { ...ticket, expiresAt: 0 } },
      { ...SECURE, ticket, serverName: "127.0.0.1" },
    ]) {
      expect(talk(world, other, bytes(10)).seen.events[0]).toMatchObject({ type: "opened", resumed: false });
    }
    const stranger = ssuTrust({ ca: testTls().ca, revocation: [] });
    const client = talk(world, { ...SECURE, trust: stranger, ticket }, bytes(10));
    expect(client.seen.failure).toMatchObject({ code: "SSU_ALERT_SENT", alert: 202 });
  });

  it("takes as much early data as the ticket says and no byte more", () => {
    const world = secureWorld();
    const most = ticketOf(talk(world, SECURE, bytes(10)));
    expect(most.earlyMax).toBe(4096);
    const client = talk(world, { ...SECURE, ticket: most, early: bytes(4096) }, bytes(10));
    expect(client.seen.events[0]).toMatchObject({ type: "opened", earlyAccepted: true });
    const ticket = { ...ticketOf(client), earlyMax: 100_000 };
    const greedy = talk(world, { ...SECURE, ticket, early: bytes(4097) }, bytes(10));
    expect(greedy.seen.failure).toMatchObject({ code: "SSU_ALERT_RECEIVED", alert: 10 });
    expect(world.served.get(2)?.early).toBe(0);
  });

  it("ends when the client knows nothing of the ticket's secret", () => {
    const world = secureWorld();
    const ticket = ticketOf(talk(world, SECURE, bytes(10)));
    const client = talk(world, { ...SECURE, ticket: { ...ticket, psk: new Uint8Array(32) } }, bytes(10));
    expect(client.seen.failure).toMatchObject({ code: "SSU_ALERT_RECEIVED", alert: 51 });
  });
});

describe("the end of a secure stream", () => {
  it("is an error when somebody cut it off before the close_notify", () => {
    const world = secureWorld();
    const client = world.connect(SECURE, { delay: ms(5) });
    client.down.faults = {
      // a FIN in the place of what was to come, before tags are asked for
      mangle: (data) => {
        const packet = decodePacket(data);
        if (packet.type !== "packet" || packet.payload.length === 0) return data;
        return encodePacket({ ...packet, flags: 0x11, payload: new Uint8Array(0) });
      },
    };
    world.run(s(5));
    expect(client.seen.failure?.code).toBe("SSU_TRUNCATED");
  });

  it("comes after 10 s when the client begins a handshake and does not end it", () => {
    const world = secureWorld();
    const client = world.connect(SECURE, { delay: ms(5) });
    world.run(ms(11));
    client.down.faults = { loss: 1 };
    world.run(s(9));
    expect(world.listener.sessions).toBe(1);
    world.run(s(5));
    expect(world.served.get(0)?.failure).toMatchObject({ code: "SSU_ALERT_SENT", alert: 200 });
    world.run(s(20));
    expect(world.listener.sessions).toBe(0);
  });
});
