import { createSocket } from "node:dgram";
import { once } from "node:events";
import { crc32 } from "node:zlib";
import { afterEach, describe, expect, it } from "vitest";
import { Prng } from "../../../emulator/kernel/prng.ts";
import type { HostAnswer, SsuRequest } from "../../../gateway/source/host-request.ts";
import { type DecodedPacket, decodePacket, encodePacket, PacketFlag } from "../../../gateway/source/ssu/packet.ts";
import { ssuIdentity } from "../../../hil/crypto/ssu-credentials.ts";
import { isLastAnswer } from "../../../hil/link/host-driver.ts";
import { SsuDriver } from "../../../hil/link/ssu/ssu-driver.ts";
import { PublishedStore } from "../../../hil/server/ssu/published-store.ts";
import { type SsuServer, type SsuServerOptions, startSsuServer } from "../../../hil/server/ssu/ssu-server.ts";
import { testTls } from "../../support/https-client.ts";
import { describeWithJudge } from "../../support/judges.ts";
import { OpensslAuthority } from "../../support/ssu-credentials.ts";
import { type Meddler, startUdpProxy } from "../../support/udp-proxy.ts";

const tls = testTls();
const file = new Prng("ssu driver").bytes(400_000);
const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function start(options: Partial<SsuServerOptions> = {}): Promise<{ server: SsuServer; store: PublishedStore }> {
  const store = new PublishedStore();
  store.publish("fw.bin", file);
  const identity = ssuIdentity(tls.certificate, tls.privateKey);
  const server = await startSsuServer({ store, accepts: "secure", identity, ...options });
  closing.push(() => server.close());
  return { server, store };
}

async function behind(port: number, meddle: Meddler): Promise<number> {
  const proxy = await startUdpProxy(port, meddle);
  closing.push(() => proxy.close());
  return proxy.port;
}

const requestTo = (port: number, more: Partial<SsuRequest> = {}): SsuRequest => ({
  kind: "ssu",
  method: "fetch",
  url: `ssu://localhost:${port}`,
  name: "fw.bin",
  signatureName: "fw.bin.sig",
  security: "secure",
  ca: tls.ca,
  bodyMax: 1 << 24,
  ...more,
});

function driver(): SsuDriver {
  const made = new SsuDriver();
  closing.push(() => made.close());
  return made;
}

/** All answers to one request, and their bodies joined. */
async function answersTo(request: SsuRequest, by = driver()): Promise<{ answers: HostAnswer[]; body: Buffer }> {
  const answers: HostAnswer[] = [];
  by.start(1, request);
  do answers.push(await by.next(1));
  while (!isLastAnswer(answers.at(-1) as HostAnswer));
  const parts = answers.flatMap((answer) => (answer.type === "body" ? [answer.data] : []));
  return { answers, body: Buffer.concat(parts) };
}

/** The failure that an exchange ends with, and that nothing came before it. */
async function failureOf(request: SsuRequest): Promise<string> {
  const { answers } = await answersTo(request);
  const [only] = answers;
  return answers.length === 1 && only?.type === "failed" ? only.code : JSON.stringify(answers);
}

/** A packet changed by somebody on the way, who puts its checksum right. */
function changed(data: Buffer, change: (packet: DecodedPacket) => DecodedPacket): Uint8Array {
  const packet = decodePacket(new Uint8Array(data));
  return packet.type === "malformed" ? data : encodePacket(change(packet));
}

describe("an ssu exchange", () => {
  it("brings everything over a way that loses each seventh datagram, and tells what it sent again", async () => {
    const { server } = await start();
    let count = 0;
    const port = await behind(server.port, (from, data, { toClient, toServer }) => {
      if (count++ % 7 === 0) return; // the SYN among them
      if (from === "client") toServer(data);
      else toClient(data);
    });
    const by = driver();
    const { answers, body } = await answersTo(requestTo(port), by);
    expect(answers[0]).toMatchObject({ type: "head", status: 200, headers: { size: "400000", from: "0" } });
    expect(body.equals(file)).toBe(true);
    await by.close();
    expect(by.retransmissions()).toBeGreaterThan(0);
  });

  it("brings everything although somebody on the way turns bits and puts checksums right", async () => {
    const { server } = await start();
    let count = 0;
    const port = await behind(server.port, (from, data, { toClient, toServer }) => {
      const isTagged = ((data[5] ?? 0) & PacketFlag.Auth) !== 0;
      if (data.length > 100 && isTagged && ++count % 5 === 0) {
        data[60] = ~(data[60] ?? 0);
        data.writeUInt32BE(crc32(data.subarray(4)));
      }
      if (from === "client") toServer(data);
      else toClient(data);
    });
    const { body } = await answersTo(requestTo(port));
    expect(body.equals(file)).toBe(true);
    expect(count).toBeGreaterThan(5);
  });

  it("goes in the clear where that is what was asked for, and nowhere else", async () => {
    const { server } = await start({ accepts: "either" });
    let readable = 0;
    const port = await behind(server.port, (from, data, { toClient, toServer }) => {
      if (data.includes("fw.bin.sig")) readable++;
      if (from === "client") toServer(data);
      else toClient(data);
    });
    expect((await answersTo(requestTo(port, { security: "plain" }))).body.equals(file)).toBe(true);
    expect(readable).toBeGreaterThan(0);
    readable = 0;
    expect((await answersTo(requestTo(port))).body.equals(file)).toBe(true);
    expect(readable).toBe(0);
  });

  it("is not talked down to plaintext by somebody on the way", async () => {
    const { server } = await start({ accepts: "either" });
    const toPlain = (packet: DecodedPacket): DecodedPacket => ({
      ...packet,
      options: { ...packet.options, security: 0 },
    });
    const changingSynAck = await behind(server.port, (from, data, { toClient, toServer }) => {
      if (from === "client") toServer(data);
      else toClient(((data[5] ?? 0) & PacketFlag.Syn) === 0 ? data : changed(data, toPlain));
    });
    expect(await failureOf(requestTo(changingSynAck))).toBe("HOST_TLS");
    const changingSyn = await behind(server.port, (from, data, { toClient, toServer }) => {
      if (from === "server") toClient(data);
      else toServer(((data[5] ?? 0) & PacketFlag.Syn) === 0 ? data : changed(data, toPlain));
    });
    expect(await failureOf(requestTo(changingSyn))).toBe("HOST_TLS");
  });

  it("is refused, for good, by a server that takes the other kind only", async () => {
    const { server } = await start();
    expect(await failureOf(requestTo(server.port, { security: "plain" }))).toBe("HOST_TLS");
    const { server: plain } = await start({ accepts: "plain" });
    expect(await failureOf(requestTo(plain.port))).toBe("HOST_TLS");
  });

  it("is not for a server whose certificate is for another name", async () => {
    const { server } = await start();
    expect(await failureOf(requestTo(server.port, { serverName: "other.example" }))).toBe("HOST_TLS_UNTRUSTED");
  });

  it("finds that nobody is there, and ends when it is abandoned before a server that says nothing", async () => {
    const silent = createSocket("udp4").bind(0, "127.0.0.1");
    await once(silent, "listening");
    const { port } = silent.address();
    const by = driver();
    by.start(1, requestTo(port));
    const answer = by.next(1);
    by.abandon(1);
    expect(await answer).toMatchObject({ type: "failed", code: "HOST_FAILED" });
    await by.close();
    silent.close();
    await once(silent, "close");
    expect(await failureOf(requestTo(port))).toBe("HOST_REFUSED");
  });

  it("takes no more than it may, and no signature that can't be one", async () => {
    const { server, store } = await start();
    const { answers } = await answersTo(requestTo(server.port, { bodyMax: 100_000 }));
    expect(answers.at(-1)).toMatchObject({ type: "failed", code: "HOST_BODY_TOO_LONG" });
    store.publish("fw.bin.sig", new Uint8Array(4097));
    expect(await failureOf(requestTo(server.port))).toBe("HOST_PROTOCOL");
  });

  it("goes on where the digest is the same, and begins anew where it is not", async () => {
    const { server } = await start();
    const { answers: looked } = await answersTo(requestTo(server.port, { method: "look" }));
    const of = looked[0]?.type === "head" ? (looked[0].headers.sha256 ?? "") : "";
    const on = await answersTo(requestTo(server.port, { resume: { from: 300_000, of } }));
    expect(on.answers[0]).toMatchObject({ type: "head", status: 206, headers: { from: "300000" } });
    expect(on.body.equals(file.subarray(300_000))).toBe(true);
    const anew = await answersTo(requestTo(server.port, { resume: { from: 300_000, of: "00" } }));
    expect(anew.answers[0]).toMatchObject({ type: "head", status: 200, headers: { from: "0" } });
  });
});

describeWithJudge("openssl", "an ssu exchange with a server whose certificate OpenSSL made", () => {
  it("comes about as long as the certificate is good, and not when it has expired", async () => {
    const authority = new OpensslAuthority();
    const good = authority.issue("good");
    const { server } = await start({ identity: ssuIdentity(good.certificate, good.privateKey) });
    expect((await answersTo(requestTo(server.port, { ca: authority.ca }))).body.equals(file)).toBe(true);
    const expired = authority.issue("expired", { days: -1 });
    const { server: late } = await start({ identity: ssuIdentity(expired.certificate, expired.privateKey) });
    expect(await failureOf(requestTo(late.port, { ca: authority.ca }))).toBe("HOST_TLS_UNTRUSTED");
  });
});
