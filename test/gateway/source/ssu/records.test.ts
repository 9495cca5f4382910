import { describe, expect, it } from "vitest";
import { RUN_START } from "../../../../emulator/kernel/time.ts";
import { AlertCode } from "../../../../gateway/source/ssu/alerts.ts";
import { joined } from "../../../../gateway/source/ssu/joined.ts";
import type { ChannelOutput, SecureChannel } from "../../../../gateway/source/ssu/secure-channel.ts";
import { ends, handshake } from "./examples.ts";

const TEXT = new TextEncoder();

/** A client and a server whose handshake is over, and the client's records of three texts. */
function opened(): { server: SecureChannel; records: [Uint8Array, Uint8Array, Uint8Array] } {
  const { client, server } = ends([0x00, 0x80]);
  handshake(client, server);
  const records = ["one", "two", "three"].map((text) => {
    client.write(TEXT.encode(text));
    const output = client.poll();
    return output?.type === "send" ? output.data : new Uint8Array(0);
  });
  return { server, records: records as [Uint8Array, Uint8Array, Uint8Array] };
}

function heard(server: SecureChannel, ...parts: readonly Uint8Array[]): ChannelOutput[] {
  for (const part of parts) server.receive(part, RUN_START);
  const outputs: ChannelOutput[] = [];
  for (let output = server.poll(); output !== undefined; output = server.poll()) outputs.push(output);
  return outputs;
}

const texts = (outputs: readonly ChannelOutput[]): string[] =>
  outputs.flatMap((output) => (output.type === "data" ? [Buffer.from(output.data).toString()] : []));
const alert = (outputs: readonly ChannelOutput[]): number | undefined =>
  outputs.flatMap((output) => (output.type === "alertSent" ? [output.code] : []))[0];

/** One byte of a record turned, at that place from its beginning, or from its end if negative. */
function turned(record: Uint8Array, at: number): Uint8Array {
  const copy = record.slice();
  const index = at < 0 ? copy.length + at : at;
  copy[index] = ~(copy[index] ?? 0);
  return copy;
}

describe("records after the handshake", () => {
  it("are read however the stream cuts them", () => {
    for (const length of [1, 2, 3, 5, 21, 1000]) {
      const { server, records } = opened();
      const stream = joined(...records);
      const parts: Uint8Array[] = [];
      for (let at = 0; at < stream.length; at += length) parts.push(stream.subarray(at, at + length));
      expect(texts(heard(server, ...parts))).toEqual(["one", "two", "three"]);
    }
  });

  it.each<[string, (records: readonly [Uint8Array, Uint8Array, Uint8Array]) => Uint8Array[], string[], number]>([
    ["repeated", ([one, two]) => [one, one, two], ["one"], AlertCode.badRecordMac],
    ["left out", ([one, , three]) => [one, three], ["one"], AlertCode.badRecordMac],
    ["in another order", ([one, two]) => [two, one], [], AlertCode.badRecordMac],
    ["changed in what they say", ([one, two]) => [one, turned(two, 3)], ["one"], AlertCode.badRecordMac],
    ["changed in their tag", ([one, two]) => [one, turned(two, -1)], ["one"], AlertCode.badRecordMac],
    ["made longer than they are", ([one, two, three]) => [turned(one, 2), two, three], [], AlertCode.badRecordMac],
    ["longer than any may be", ([one]) => [one, Uint8Array.of(0x17, 0x40, 0x11)], ["one"], AlertCode.recordOverflow],
    ["of length 0", ([one]) => [one, Uint8Array.of(0x17, 0, 0)], ["one"], AlertCode.decodeError],
    ["of no known type", ([one]) => [one, Uint8Array.of(0x19, 0, 20)], ["one"], AlertCode.unexpectedMessage],
    [
      "shorter than a tag",
      ([one]) => [one, Uint8Array.of(0x17, 0, 15), new Uint8Array(15)],
      ["one"],
      AlertCode.badRecordMac,
    ],
  ])("that are %s end the stream with an alert, and nothing behind them is read", (_, spoil, come, code) => {
    const { server, records } = opened();
    const outputs = heard(server, ...spoil(records), new Uint8Array(600));
    expect(texts(outputs)).toEqual(come);
    expect(alert(outputs)).toBe(code);
    expect(heard(server, records[2])).toEqual([]);
  });
});
