import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { Prng } from "../../../../emulator/kernel/prng.ts";
import type { HostAnswer, RsuRequest } from "../../../../gateway/source/host-request.ts";
import { isLastAnswer } from "../../../../hil/link/host-driver.ts";
import { RsuDriver } from "../../../../hil/link/rsu/rsu-driver.ts";
import { type RsuServerHandle, startRsuServer } from "../../../../hil/server/rsu/rsu-server.ts";
import { testTls } from "../../../support/https-client.ts";
import {
  connectOld,
  type OldServer,
  oldClient,
  oldPdu,
  parseOld,
  segmentsOf,
  startOldServer,
} from "../../../support/rsu-peer.ts";

const { certificate, privateKey, ca } = testTls();
const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const each of open.splice(0)) await each.close();
});

async function serve(data: Uint8Array, version = "2.1.0"): Promise<RsuServerHandle> {
  const server = await startRsuServer({ certificate, privateKey });
  open.push(server);
  server.publish("firmware", { version, data });
  return server;
}

async function old(options: Parameters<typeof startOldServer>[0]): Promise<OldServer> {
  const server = await startOldServer(options);
  open.push(server);
  return server;
}

/** All answers to one exchange of our client. */
async function ask(port: number, request: Partial<RsuRequest> = {}): Promise<HostAnswer[]> {
  const driver = new RsuDriver();
  const url = `rsu://localhost:${port}`;
  driver.start(1, { kind: "rsu", method: "fetch", url, version: "1.0.0", ca, bodyMax: 1 << 24, ...request });
  const answers: HostAnswer[] = [];
  do answers.push(await driver.next(1));
  while (!isLastAnswer(answers.at(-1) as HostAnswer));
  await driver.close();
  return answers;
}

const bodyOf = (answers: readonly HostAnswer[]): Buffer =>
  Buffer.concat(answers.flatMap((answer) => (answer.type === "body" ? [answer.data] : [])));
const bytes = (length: number): Uint8Array => new Prng(`firmware ${length}`).bytes(length);

interface StreamFrame {
  readonly stream_id: number;
  readonly offset: number;
  readonly length: number;
  readonly fin: boolean;
}

/** The STREAM frames of each packet that a client got, as the library's own log (qlog) has them. */
function receivedPackets(folder: string): StreamFrame[][] {
  const [name = ""] = readdirSync(folder);
  const lines = readFileSync(join(folder, name), "utf8").split("\n");
  return lines.flatMap((line) => {
    if (!line.includes('"quic:packet_received"')) return [];
    const { data } = JSON.parse(line.slice(line.indexOf("{"))) as {
      data: { frames: ({ frame_type: string } & QlogStream)[] };
    };
    const frames = data.frames.filter(({ frame_type }) => frame_type === "stream");
    return frames.length === 0 ? [] : [frames.map(streamFrame)];
  });
}

/** Of the data: what begins where all before it has come, or beyond. */
function isNews(): (frame: StreamFrame) => boolean {
  let end = 0;
  return ({ stream_id, offset, length }) => {
    if (stream_id !== 1 || offset < end) return false;
    end = offset + length;
    return true;
  };
}

type QlogStream = Partial<StreamFrame> & { readonly raw?: { readonly payload_length?: number } };

const streamFrame = ({ stream_id = -1, offset = 0, length, fin = false, raw }: QlogStream): StreamFrame => ({
  stream_id,
  offset,
  length: length ?? raw?.payload_length ?? -1,
  fin,
});

describe("a client of the original's kind", () => {
  it.each([1, 511, 512, 513])("gets %i bytes from our server, one PDU after another", async (length) => {
    const { port } = await serve(bytes(length));
    // the library under this client may hand over two packets of one stream as one event when the machine is busy
    const { firmware, error, ack, events } = await oldClient(port, undefined, { splits: length > 512 });
    expect(error).toBeUndefined();
    expect(firmware.equals(bytes(length))).toBe(true);
    expect(ack).toEqual({ mtype: 1, payload: "", protocol_ver: "2.0.0", firmware_ver: "2.1.0", size: 0 });
    expect(events.slice(1, 1 + Math.ceil(length / 512))).toEqual(segmentsOf(bytes(length)));
  });

  it.each([1, 512, 15_960, 100_000, 1_000_000])(
    "gets %i bytes from our server in STREAM frames of one whole PDU each, one in a packet, in order",
    async (length) => {
      const { port } = await serve(bytes(length));
      const qlogDir = mkdtempSync(join(tmpdir(), "otabench-qlog-"));
      open.push({ close: async () => rmSync(qlogDir, { recursive: true }) });
      const quic = { qlogDir, qlogLevel: "extra" };
      const { firmware } = await oldClient(port, { protocol: "2.0.0", firmware: "1.0.0" }, { splits: true, quic });
      expect(firmware.equals(bytes(length))).toBe(true);
      const packets = receivedPackets(qlogDir);
      for (const frames of packets) expect(frames.length).toBeLessThanOrEqual(1);
      // what was sent twice, because an acknowledgement was late, gives no event twice
      const frames = packets.flat().filter(isNews());
      const segments = segmentsOf(bytes(length));
      let offset = 0;
      const whole = segments.map((segment, index) => {
        const at = offset;
        offset += segment.length;
        return { offset: at, length: segment.length, fin: index === segments.length - 1 };
      });
      expect(frames.map(({ offset, length, fin }) => ({ offset, length, fin }))).toEqual(whole);
      // before the last segment no event is empty: a FIN of its own would be one
      const [ack] = packets.flat();
      expect(ack).toMatchObject({ stream_id: 0, offset: 0, fin: false });
    },
  );

  it("gets an empty firmware as one empty last segment", async () => {
    const { port } = await serve(new Uint8Array(0));
    expect(await oldClient(port)).toMatchObject({ error: undefined, firmware: Buffer.alloc(0) });
  });

  it.each([
    [{ protocol: "9.0.0", firmware: "1.0.0" }],
    [{ protocol: "10.0.0", firmware: "1.0.0" }],
    [{ protocol: "2.0.0", firmware: "2.1.0" }],
    [{ protocol: "2.0.0", firmware: "10.0.0" }],
  ])("is told by an ERROR, and does not hang, with the versions %j", async (versions) => {
    const { port } = await serve(bytes(10));
    expect((await oldClient(port, versions)).error).toContain("AttributeError on 9");
  });

  it("crashes, and does not hang, when the data end in the middle", async () => {
    const server = await serve(bytes(20_000));
    server.setFaults([{ name: "dieAfterBytes", bytes: 5_000 }]);
    expect((await oldClient(server.port)).error).toMatch(/SyntaxError/);
  });
});

describe("our client before a server of the original's kind", () => {
  it.each([0, 1, 512, 513, 15_960, 1_000_000])("brings %i bytes", async (length) => {
    const server = await old({ firmware: bytes(length) });
    const answers = await ask(server.port);
    expect(answers[0]).toEqual({ type: "head", status: 200, headers: { version: "2.1.0" } });
    expect(answers.at(-1)).toEqual({ type: "end" });
    expect(bodyOf(answers).equals(bytes(length))).toBe(true);
  });

  it("writes one whole PDU at a time, below 1100 bytes, with the five keys and no others, and the acknowledgement arrives", async () => {
    const server = await old({ firmware: bytes(2000) });
    const of = "ab".repeat(32);
    await ask(server.port, {
      resume: { from: 1_000_000, of },
      wait: 3600,
      target: "t".repeat(64),
    });
    const pdus = server.heard.map(({ data }) => parseOld(data));
    expect(pdus.map(({ mtype }) => mtype)).toEqual([0, 2, 5]);
    for (const { data } of server.heard) expect(data.length).toBeLessThan(1100);
    for (const pdu of pdus)
      expect(Object.keys(pdu)).toEqual(["mtype", "payload", "protocol_ver", "firmware_ver", "size"]);
    for (const { payload, size } of pdus) expect(size).toBe(payload.length);
    expect(pdus[0]).toMatchObject({ protocol_ver: "2.0.0", firmware_ver: "1.0.0" });
    expect(pdus[2]?.payload).toBe(Buffer.from("All data received").toString("base64"));
    expect(server.heard.map(({ stream }) => stream)).toEqual([0, 0, 1]);
  });

  it("bears segments in any cut: one byte an event, and all in one", async () => {
    const firmware = bytes(3000);
    const cut = await old({
      firmware,
      onRequest: (stream, segments) => {
        for (const byte of Buffer.concat(segments)) stream.write(Buffer.of(byte));
        stream.end();
      },
    });
    expect(bodyOf(await ask(cut.port)).equals(firmware)).toBe(true);
    const joined = await old({ firmware, onRequest: (stream, segments) => void stream.end(Buffer.concat(segments)) });
    expect(bodyOf(await ask(joined.port)).equals(firmware)).toBe(true);
  });

  it("looks without fetching", async () => {
    const server = await old({ firmware: bytes(2000) });
    expect((await ask(server.port, { method: "look" })).map(({ type }) => type)).toEqual(["head", "end"]);
    expect(server.heard.map(({ data }) => parseOld(data).mtype)).toEqual([0]);
  });

  it("ends after 5 s when it is rejected by silence", async () => {
    const server = await old({ firmware: bytes(10) });
    const began = performance.now();
    const [answer] = await ask(server.port, { version: "3.0.0" });
    expect(answer).toMatchObject({ type: "failed", code: "HOST_SILENT" });
    expect(performance.now() - began).toBeLessThan(8_000);
  });

  it.each<[string, Parameters<typeof startOldServer>[0], string]>([
    [
      "the connection is closed instead of an answer",
      { firmware: bytes(9), onVersion: (_, session) => session.close(0, "") },
      "HOST_RESET",
    ],
    [
      "the data end before the last segment",
      { firmware: bytes(2000), onRequest: (stream, [first]) => void stream.end(first) },
      "HOST_RESET",
    ],
    [
      "garbage comes instead of data",
      { firmware: bytes(9), onRequest: (stream) => void stream.end(Buffer.from("404 not found")) },
      "HOST_PROTOCOL",
    ],
    [
      "a PDU never ends",
      { firmware: bytes(9), onRequest: (stream) => void stream.write(Buffer.alloc(200_000, "{")) },
      "HOST_PROTOCOL",
    ],
    [
      "an error comes instead of data",
      { firmware: bytes(9), onRequest: (stream) => void stream.end(oldPdu(9, Buffer.from("disk on fire"))) },
      "HOST_PEER",
    ],
  ])("ends when %s", async (_, options, code) => {
    const server = await old(options);
    expect((await ask(server.port)).at(-1)).toMatchObject({ type: "failed", code });
  });

  it("ends when more comes than it takes", async () => {
    const server = await old({ firmware: bytes(100_000) });
    const answers = await ask(server.port, { bodyMax: 70_000 });
    expect(answers.at(-1)).toMatchObject({ type: "failed", code: "HOST_BODY_TOO_LONG" });
    expect(bodyOf(answers).length).toBeLessThanOrEqual(70_000);
  });
});

describe("our server before strangers", () => {
  it("answers a second exchange on the same connection, on a stream of its own", async () => {
    const { port } = await serve(bytes(100));
    const session = connectOld(port);
    await session.ready();
    const data: number[] = [];
    session.on("stream", (stream) => {
      data.push(stream.id);
      stream.on("data", () => {});
      stream.on("error", () => {});
      stream.on("end", () => stream.end(oldPdu(5, Buffer.alloc(0))));
    });
    for (let round = 0; round < 2; round++) {
      const stream = session.openStream();
      stream.on("error", () => {});
      const finished = new Promise((resolve) => stream.on("end", resolve));
      stream.once("data", () => stream.end(oldPdu(2, Buffer.alloc(0))));
      stream.write(oldPdu(0, Buffer.alloc(0), "2.0.0", "1.0.0"));
      await finished;
    }
    expect(data).toEqual([1, 5]);
    await session.close(0, "");
  });

  it("takes versions and request that came glued together, and a PDU in two halves", async () => {
    const { port } = await serve(bytes(100));
    const session = connectOld(port);
    await session.ready();
    const came = new Promise<Buffer>((resolve) => session.on("stream", (stream) => stream.on("data", resolve)));
    const stream = session.openStream();
    stream.on("error", () => {});
    stream.on("data", () => {});
    const both = Buffer.concat([oldPdu(0, Buffer.alloc(0), "2.0.0", "1.0.0"), oldPdu(2, Buffer.alloc(0))]);
    stream.write(both.subarray(0, 30));
    await new Promise((next) => setTimeout(next, 30));
    stream.end(both.subarray(30));
    expect(parseOld(await came).mtype).toBe(7);
    await session.close(0, "");
  });

  it("is still there after garbage, half connections and hundreds of them", async () => {
    const { port } = await serve(bytes(1000));
    for (let round = 0; round < 40; round++) {
      const session = connectOld(port);
      await session.ready().catch(() => {});
      const stream = session.openStream();
      stream.on("error", () => {});
      stream.on("data", () => {});
      stream.write(Buffer.from(round % 2 === 0 ? "\u0000\u0001 not JSON" : '{"mtype":'));
      if (round % 3 === 0) void session.close(0, "");
    }
    expect(bodyOf(await ask(port))).toHaveLength(1000);
  });
});
