import { createSocket } from "node:dgram";
import { afterEach, describe, expect, it, vi } from "vitest";
import { Prng } from "../../../../emulator/kernel/prng.ts";
import { RsuSource, type RsuSourceConfig } from "../../../../gateway/source/rsu/rsu-source.ts";
import { makeTls } from "../../../../hil/crypto/keys.ts";
import { RsuDriver } from "../../../../hil/link/rsu/rsu-driver.ts";
import { type RsuServerHandle, type RsuServerOptions, startRsuServer } from "../../../../hil/server/rsu/rsu-server.ts";
import { testTls } from "../../../support/https-client.ts";
import { connectOld, type OldServer, oldClient, oldPdu, parseOld, startOldServer } from "../../../support/rsu-peer.ts";
import { type Meddler, startUdpProxy, type UdpProxy } from "../../../support/udp-proxy.ts";
import { type VehicleSource, Vehicles } from "../../../support/vehicles.ts";

const { certificate, privateKey, ca } = testTls();
const NONE = Buffer.alloc(0);
const MIB = 1024 * 1024;
const firmware = new Prng("attacks").bytes(40_000);

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  vi.restoreAllMocks();
  for (const each of open.splice(0).reverse()) await each.close();
});

const opened = <Each extends { close(): Promise<void> }>(each: Each): Each => {
  open.push(each);
  return each;
};

type Event = Parameters<NonNullable<RsuServerOptions["onEvent"]>>[0];

async function serve(options: Partial<RsuServerOptions> = {}): Promise<{ server: RsuServerHandle; events: Event[] }> {
  const events: Event[] = [];
  const onEvent = (event: Event): void => void events.push(event);
  const server = opened(await startRsuServer({ certificate, privateKey, onEvent, ...options }));
  server.publish("firmware", { version: "2.1.0", data: firmware });
  return { server, events };
}

const evil = async (options: Partial<Parameters<typeof startOldServer>[0]>): Promise<OldServer> =>
  opened(await startOldServer({ firmware, ...options }));
const proxy = async (port: number, meddle: Meddler): Promise<UdpProxy> => opened(await startUdpProxy(port, meddle));

function device(port: number, config: Partial<RsuSourceConfig> = {}): VehicleSource {
  const source = new RsuSource({ server: `rsu://localhost:${port}`, ca, retriesMax: 1, ...config });
  return opened(new Vehicles(new RsuDriver(), [source])).all[0] as VehicleSource;
}

/** A look, and a fetch if there is an offer: the code of what is wrong, or what it ended with. */
async function outcome(vehicle: VehicleSource): Promise<string> {
  const looked = await vehicle.look();
  const end = looked?.type === "offer" ? await vehicle.fetch(looked.offer) : looked;
  return end?.type === "failed" ? end.error.code : (end?.type ?? "nothing");
}

describe("a device before a server that means it harm", () => {
  it.each<[string, Partial<Parameters<typeof startOldServer>[0]>, string]>([
    [
      "a segment is cut off",
      { onRequest: (out, [first]) => void out.end(first?.subarray(0, 300)) },
      "SOURCE_INTERRUPTED",
    ],
    ["an answer is cut off", { onVersion: (stream) => void stream.end('{"mtype": 1, "pay') }, "SOURCE_UNREACHABLE"],
    [
      "a PDU is longer than any",
      { onRequest: (out) => void out.end(oldPdu(6, Buffer.alloc(60_000))) },
      "SOURCE_PROTOCOL",
    ],
    ["a PDU never ends", { onRequest: (out) => void out.write(Buffer.alloc(4 * MIB, "[{")) }, "SOURCE_PROTOCOL"],
    ["a segment is empty", { onRequest: (out) => void out.write(oldPdu(6, NONE)) }, "SOURCE_PROTOCOL"],
    ["a PDU is of a foreign type", { onRequest: (out) => void out.write(oldPdu(5, NONE)) }, "SOURCE_PROTOCOL"],
    [
      "base64 is not strict",
      { onRequest: (out) => void out.write('{"mtype": 7, "payload": "AB=="}') },
      "SOURCE_PROTOCOL",
    ],
    ["an object is nested deep", { onVersion: (stream) => void stream.write("{".repeat(60_000)) }, "SOURCE_SILENT"],
    ["an older version is offered", { onVersion: ackOf("2.0.0", "0.9.0") }, "SOURCE_DOWNGRADE"],
    ["the same version is offered", { onVersion: ackOf("2.0.0", "1.0.0") }, "SOURCE_DOWNGRADE"],
    ["an older protocol is spoken", { onVersion: ackOf("1.0.0", "3.0.0") }, "SOURCE_VERSION_UNKNOWN"],
    ["a version is no version", { onVersion: ackOf("2.0.0", "3.0.0; rm -rf /") }, "SOURCE_PROTOCOL"],
  ])("ends with a named error when %s", { timeout: 30_000 }, async (_, options, code) => {
    const { port } = await evil(options);
    const vehicle = device(port);
    await vehicle.look({ vin: "", ecus: [{ id: "ECU_011", version: "1.0.0" }] });
    const looked = vehicle.end;
    const end = looked?.type === "offer" ? await vehicle.fetch(looked.offer) : looked;
    expect(end).toMatchObject({ type: "failed", error: { code } });
    expect(vehicle.received).toHaveLength(0);
  });

  it("takes no more than it may from a firmware without an end, and holds no more than that", async () => {
    let sent = 0;
    const segment = oldPdu(6, Buffer.alloc(512, 1));
    const { port } = await evil({
      onRequest: (out) => {
        const pour = (): void => {
          while (!out.destroyed && sent < 64 * MIB) {
            sent += segment.length;
            if (out.write(segment)) continue;
            out.once("drain", pour);
            return;
          }
        };
        pour();
      },
    });
    const before = process.memoryUsage().rss;
    const vehicle = device(port, { sizeMax: 200_000, retriesMax: 0 });
    expect(await outcome(vehicle)).toBe("SOURCE_TOO_LARGE");
    expect(vehicle.received.length).toBeLessThanOrEqual(200_000);
    expect(process.memoryUsage().rss - before).toBeLessThan(96 * MIB);
  });

  it("bears no flood of streams", async () => {
    const { port } = await evil({
      onVersion: (_, session) => {
        for (let count = 0; count < 12; count++) {
          const stream = session.openStream();
          stream.on("error", () => {});
          stream.write(" ");
        }
      },
    });
    expect(await outcome(device(port))).toMatch(/SOURCE_(PROTOCOL|SILENT)/);
  });

  it("says nothing to a man in the middle with another CA, and the server behind hears nothing", async () => {
    const other = makeTls("a man in the middle");
    const middle = opened(await startRsuServer({ certificate: other.certificate, privateKey: other.privateKey }));
    middle.publish("firmware", { version: "9.0.0", data: firmware });
    const asked: string[] = [];
    const { server, events } = await serve();
    const diverted = await proxy(middle.port, (from, data, { toClient, toServer }) => {
      asked.push(from);
      if (from === "client") toServer(data);
      else toClient(data);
    });
    expect(await outcome(device(diverted.port))).toBe("SOURCE_UNTRUSTED");
    expect(asked).toContain("server");
    expect(events).toEqual([]);
    expect(await outcome(device(server.port))).toBe("fetched");
  });
});

function ackOf(protocol: string, version: string): NonNullable<Parameters<typeof startOldServer>[0]["onVersion"]> {
  return (stream) => void stream.end(oldPdu(1, NONE, protocol, version));
}

describe("a server before a device that means it harm", () => {
  it("is over at once when it is closed before one that says nothing more: no timer of it runs on", async () => {
    const started = vi.spyOn(globalThis, "setTimeout");
    const cleared = vi.spyOn(globalThis, "clearTimeout");
    const { server, events } = await serve();
    const session = connectOld(server.port);
    await session.ready();
    const stream = session.openStream();
    stream.on("error", () => {});
    stream.write(oldPdu(0, NONE, "2.0.0", "1.0.0"));
    await expect.poll(() => events.length).toBe(1);
    await server.close();
    const stopped = cleared.mock.calls.map(([timer]) => timer);
    const long = started.mock.results.filter((_, index) => (started.mock.calls[index]?.[1] ?? 0) > 5_000);
    expect(long.length).toBeGreaterThan(0);
    expect(long.filter(({ value }) => !stopped.includes(value as NodeJS.Timeout))).toEqual([]);
  });

  it.each<[string, string | Buffer]>([
    ["no JSON", "GET / HTTP/1.1\r\n\r\n"],
    [
      "a key that there is not",
      '{"mtype": 0, "payload": "", "firmware_ver": "1.0.0", "protocol_ver": "2.0.0", "admin": true}',
    ],
    [
      "a size that is not true",
      '{"mtype": 0, "payload": "", "firmware_ver": "1.0.0", "protocol_ver": "2.0.0", "size": 99}',
    ],
    ["a request before the versions", oldPdu(2, NONE)],
    ["data for the server", oldPdu(7, Buffer.from("firmware"))],
    ["a PDU that is too long", oldPdu(0, Buffer.alloc(60_000), "2.0.0", "1.0.0")],
    ["deep nesting", `${"[{".repeat(10)}`],
  ])("says MALFORMED and closes when it gets %s", async (_, bytes) => {
    const { server, events } = await serve();
    const session = connectOld(server.port);
    await session.ready();
    const closed = new Promise((resolve) => session.on("close", resolve));
    const stream = session.openStream();
    stream.on("error", () => {});
    const said = new Promise<Buffer>((resolve) => stream.on("data", resolve));
    stream.write(bytes);
    const pdu = parseOld(await said);
    expect(pdu.mtype).toBe(9);
    expect(JSON.parse(Buffer.from(pdu.payload, "base64").toString())).toMatchObject({ code: "MALFORMED" });
    await closed;
    expect(events).toContainEqual(expect.objectContaining({ type: "refused", code: "MALFORMED" }));
    await session.close(0, "");
    expect(await outcome(device(server.port))).toBe("fetched");
  });

  it.each([
    "../../etc/passwd",
    "..",
    "/etc/passwd",
    "__proto__",
    "constructor",
    "firmware\u0000.bin",
    "FIRMWARE",
    "x".repeat(64),
  ])("has no target %j", async (target) => {
    const { server, events } = await serve();
    expect(await outcome(device(server.port, { target }))).toBe("noOffer");
    expect(events).toContainEqual(expect.objectContaining({ type: "refused", code: "TARGET_UNKNOWN" }));
  });

  it("is not moved by datagrams that it has had before", async () => {
    const { server, events } = await serve();
    const recorded: Buffer[] = [];
    const relay = await proxy(server.port, (from, data, { toClient, toServer }) => {
      if (from === "server") toClient(data);
      else {
        recorded.push(Buffer.from(data));
        toServer(data);
      }
    });
    expect((await oldClient(relay.port, undefined, { splits: true })).error).toBeUndefined();
    await expect.poll(() => events.map(({ type }) => type)).toContain("delivered");
    const before = events.filter(({ type }) => type !== "closed");
    expect(before.map(({ type }) => type)).toEqual(["asked", "sending", "delivered"]);
    for (const data of [...recorded, ...recorded]) relay.sendToServer(data);
    await new Promise((next) => setTimeout(next, 300));
    expect(events.filter(({ type }) => type !== "closed")).toEqual(before);
    expect(await outcome(device(server.port))).toBe("fetched");
  });

  it("brings the firmware whole through forged and repeated datagrams in both directions", async () => {
    const { server } = await serve();
    const prng = new Prng("forger");
    let fromServer = 0;
    const forge = (data: Buffer, send: (data: Uint8Array) => void): void => {
      for (const forged of forgeries(data, prng)) send(forged);
      send(data);
      if (prng.below(4) === 0) send(data);
    };
    const relay = await proxy(server.port, (from, data, { toClient, toServer }) => {
      const send = from === "client" ? toServer : toClient;
      // none before the server's first: a device may believe one then (RFC 9000, 21.2)
      if (from === "server") fromServer++;
      if (fromServer > 0) forge(data, send);
      else send(data);
    });
    const vehicle = device(relay.port);
    expect(await outcome(vehicle)).toBe("fetched");
    expect(Buffer.from(vehicle.received).equals(firmware)).toBe(true);
  });

  it("keeps nothing of a flood of first packets from addresses that never answer", async () => {
    const { server, events } = await serve();
    let initial: Buffer | undefined;
    const deaf = await proxy(server.port, (from, data) => {
      if (from === "client") initial ??= Buffer.from(data);
    });
    const session = connectOld(deaf.port, { connectTimeoutMs: 300 });
    await session.ready().catch(() => {});
    await session.close(0, "").catch(() => {});
    const before = process.memoryUsage().rss;
    const sockets = Array.from({ length: 40 }, () => createSocket("udp4"));
    const prng = new Prng("flood");
    for (let round = 0; round < 100; round++) {
      for (const socket of sockets) {
        const packet = Buffer.from(initial as Buffer);
        packet.set(prng.bytes(8), 6); // another connection (RFC 9000, 17.2: the destination's identifier)
        socket.send(packet, server.port, "127.0.0.1");
      }
      if (round % 10 === 9) await new Promise((next) => setTimeout(next, 20));
    }
    expect(await outcome(device(server.port))).toBe("fetched");
    expect(process.memoryUsage().rss - before).toBeLessThan(64 * MIB);
    expect(events.filter(({ type }) => type === "asked")).toHaveLength(2);
    for (const socket of sockets) socket.close();
  });

  it("is free again after a flood of half-open connections as soon as they have been idle for their time", async () => {
    const { server } = await serve({ connectionsMax: 8, idleTimeoutMs: 1_000 });
    const half = async (): Promise<void> => {
      let count = 0;
      // its address is proven by the answer to the Retry, and then it says nothing more
      const deaf = await proxy(server.port, (from, data, { toClient, toServer }) => {
        if (from === "client") toServer(data);
        else if (count++ === 0) toClient(data);
      });
      const session = connectOld(deaf.port, { connectTimeoutMs: 400 });
      await session.ready().catch(() => {});
      await session.close(0, "").catch(() => {});
    };
    await Promise.all(Array.from({ length: 12 }, half));
    await new Promise((next) => setTimeout(next, 1_500));
    expect(await outcome(device(server.port))).toBe("fetched");
  });
});

/** What somebody who sees a datagram, and has no keys, can make of it. */
function forgeries(data: Buffer, prng: Prng): Uint8Array[] {
  const broken = Buffer.from(data);
  broken[broken.length - 1] = (broken.at(-1) ?? 0) ^ 1;
  const body = Buffer.from(data);
  body.set(prng.bytes(Math.min(16, body.length - 1)), 1 + prng.below(Math.max(1, body.length - 17)));
  const isLong = ((data[0] ?? 0) & 0x80) !== 0;
  // a stateless reset by somebody who does not know the token (RFC 9000, 10.3)
  const reset = Buffer.concat([Buffer.of(0x40 | prng.below(64)), prng.bytes(40)]);
  const identifiers = isLong ? data.subarray(5, 5 + 1 + (data[5] ?? 0)) : Buffer.of(0);
  const negotiation = Buffer.concat([
    Buffer.of(0x80, 0, 0, 0, 0),
    identifiers,
    Buffer.of(0),
    Buffer.of(0xba, 0xba, 0xba, 0xba),
  ]);
  return [broken, body, data.subarray(0, data.length >> 1), reset, negotiation];
}
