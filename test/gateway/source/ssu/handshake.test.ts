import { describe, expect, it } from "vitest";
import { RUN_START } from "../../../../emulator/kernel/time.ts";
import { AlertCode } from "../../../../gateway/source/ssu/alerts.ts";
import type { ChannelOutput, SecureChannel } from "../../../../gateway/source/ssu/secure-channel.ts";
import { ends, handshake } from "./examples.ts";

const HEADERS = 6; // of a record, and of the message in it
const NAME_LENGTH_AT = HEADERS + 64;
const EARLY_AT = NAME_LENGTH_AT + 1 + "localhost".length;

const drained = (channel: SecureChannel): ChannelOutput[] => {
  const outputs: ChannelOutput[] = [];
  for (let output = channel.poll(); output !== undefined; output = channel.poll()) outputs.push(output);
  return outputs;
};
const sent = (outputs: readonly ChannelOutput[]): Uint8Array[] =>
  outputs.flatMap((output) => (output.type === "send" ? [output.data] : []));
const alert = (outputs: readonly ChannelOutput[]): number | undefined =>
  outputs.flatMap((output) => (output.type === "alertSent" ? [output.code] : []))[0];

function answer(channel: SecureChannel, parts: readonly Uint8Array[]): ChannelOutput[] {
  for (const part of parts) channel.receive(part, RUN_START);
  return drained(channel);
}

/** A server before a client's first record. */
function begun(): { client: SecureChannel; server: SecureChannel; hello: Uint8Array } {
  const { client, server } = ends([0x00, 0x80]);
  const [hello = new Uint8Array(0)] = sent(drained(client));
  return { client, server, hello };
}

function put(data: Uint8Array, at: number, ...bytes: readonly number[]): Uint8Array {
  const copy = data.slice();
  copy.set(bytes, at);
  return copy;
}

/** A record of handshake with one message in it. */
function record(type: number, body: Uint8Array): Uint8Array {
  const length = body.length + 3;
  return Uint8Array.of(0x16, length >> 8, length & 0xff, type, body.length >> 8, body.length & 0xff, ...body);
}

describe("a ClientHello", () => {
  it.each<[string, (hello: Uint8Array) => Uint8Array, number]>([
    ["that ends too early", (hello) => record(1, hello.subarray(HEADERS, -1)), AlertCode.decodeError],
    ["with a byte too many", (hello) => record(1, Uint8Array.of(...hello.subarray(HEADERS), 0)), AlertCode.decodeError],
    ["of nothing", () => record(1, new Uint8Array(0)), AlertCode.decodeError],
    ["whose name is longer than it is", (hello) => put(hello, NAME_LENGTH_AT, 0xff), AlertCode.decodeError],
    ["whose name is no text", (hello) => put(hello, NAME_LENGTH_AT + 1, 0xff), AlertCode.decodeError],
    ["with a flag that is neither 0 nor 1", (hello) => put(hello, EARLY_AT, 2), AlertCode.illegalParameter],
    ["with a ticket that is cut off", (hello) => put(hello, EARLY_AT + 1, 0x10), AlertCode.decodeError],
    [
      "with a key that gives no secret",
      (hello) => put(hello, HEADERS + 32, ...new Uint8Array(32)),
      AlertCode.illegalParameter,
    ],
    ["that is another message", (hello) => put(hello, 3, 2), AlertCode.unexpectedMessage],
    ["in a record of data", (hello) => put(hello, 0, 0x17), AlertCode.unexpectedMessage],
    ["longer than any message", () => Uint8Array.of(0x16, 0, 3, 1, 0x3f, 0xfe), AlertCode.decodeError],
  ])("%s is refused by its alert", (_, spoil, code) => {
    const { server, hello } = begun();
    const outputs = answer(server, [spoil(hello)]);
    expect(alert(outputs)).toBe(code);
    expect(sent(outputs)).toEqual([Uint8Array.of(0x15, 0, 2, 2, code)]);
    expect(answer(server, [hello])).toEqual([]);
  });

  it("with any byte turned on its way opens nothing on either side", () => {
    const { hello: whole } = begun();
    for (let at = 0; at < whole.length; at++) {
      const { client, server, hello } = begun();
      const flight = sent(answer(server, [put(hello, at, ~(hello[at] ?? 0) & 0xff)]));
      const finished = sent(answer(client, flight));
      answer(server, finished);
      expect([client.isOpen, server.isOpen], `byte ${at}`).toEqual([false, false]);
    }
  });
});

describe("early data", () => {
  it.each([
    [0, AlertCode.decodeError],
    [1, undefined],
  ])("of %i bytes in a record gives the alert %s", (length, code) => {
    const { client: first, server: issuer } = ends([0x00, 0x80]);
    const [{ ticket }] = handshake(first, issuer);
    const { client, clientHandshake, server } = ends([0x40, 0xa0], ticket);
    const secret = clientHandshake.earlySecret(client.io()) as Uint8Array;
    client.writeEarly(new Uint8Array(length), secret);
    expect(alert(answer(server, sent(drained(client))))).toBe(code);
  });
});

describe("a server's flight", () => {
  it("with any byte turned on its way does not open the client, which says why", () => {
    const { server: first, hello: said } = begun();
    const length = sent(answer(first, [said])).reduce((sum, { length: each }) => sum + each, 0);
    for (let at = 0; at < length; at += 3) {
      const { client, server, hello } = begun();
      const flight = Buffer.concat(sent(answer(server, [hello])));
      flight[at] = ~(flight[at] ?? 0);
      const outputs = answer(client, [new Uint8Array(flight)]);
      expect(client.isOpen, `byte ${at}`).toBe(false);
      // a length made longer waits for what never comes; the time limit of the handshake ends that
      expect([undefined, ...Object.values(AlertCode)]).toContain(alert(outputs));
    }
  });

  it("must come in its order, and begin every message under the key that it ends under", () => {
    const { client, server, hello } = begun();
    const [serverHello, extensions, certificate] = sent(answer(server, [hello]));
    const parts = [serverHello, certificate, extensions] as Uint8Array[];
    expect(alert(answer(client, parts))).toBe(AlertCode.badRecordMac);
    const { client: other } = begun();
    const message = (serverHello as Uint8Array).subarray(3);
    const length = message.length + 2;
    const straddling = Uint8Array.of(0x16, 0, length, ...message, 8, 0); // the next message begins in the clear
    expect(alert(answer(other, [straddling]))).toBe(AlertCode.unexpectedMessage);
  });
});
