import type { QuicServerSession, QuicStream } from "@currentspace/http3";
import { describe, expect, it } from "vitest";
import { PacedSender } from "../../../../hil/server/rsu/paced-sender.ts";

/** A connection on which all that is written leaves at once; its peer says as much as it is told to. */
function connection(): { sender: PacedSender; stream: QuicStream; written: Buffer[]; answer: () => void } {
  const metrics = { bytesOut: 0, packetsOut: 0, packetsIn: 0, rttMs: 0 };
  const written: Buffer[] = [];
  const write = (data: Buffer): void => {
    written.push(data);
    metrics.bytesOut += data.length;
    metrics.packetsOut++;
  };
  const session = { getMetrics: () => ({ ...metrics }) } as unknown as QuicServerSession;
  const answer = (): void => void metrics.packetsIn++;
  return { sender: new PacedSender(session), stream: { write, end: write } as unknown as QuicStream, written, answer };
}

const later = (ms: number): Promise<void> => new Promise((next) => setTimeout(next, ms));

describe("pacing towards a peer that takes a packet for a PDU", () => {
  it("sends no second burst to one that is not running just now, and goes on when it is heard again", async () => {
    const { sender, stream, written, answer } = connection();
    const sendAll = async (): Promise<void> => {
      for (let index = 0; index < 30; index++) await sender.send(stream, new Uint8Array(764), index === 29);
    };
    const sent = sendAll();
    await later(200);
    expect(written).toHaveLength(24);
    answer();
    await sent;
    expect(written).toHaveLength(30);
  });

  it("takes no answer to the beginning of a burst for one to its end", async () => {
    const { sender, stream, written, answer } = connection();
    for (let index = 0; index < 10; index++) await sender.send(stream, new Uint8Array(764), false);
    answer();
    const sendRest = async (): Promise<void> => {
      for (let index = 10; index < 30; index++) await sender.send(stream, new Uint8Array(764), index === 29);
    };
    const sent = sendRest();
    await later(200);
    expect(written).toHaveLength(24);
    answer();
    await sent;
    expect(written).toHaveLength(30);
  });
});
