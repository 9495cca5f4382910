import { describe, expect, it } from "vitest";
import { type Instant, RUN_START } from "../../../emulator/kernel/time.ts";
import { Trace, type TraceEvent } from "../../../emulator/kernel/trace.ts";
import { pcapngOfTrace } from "../../../hil/record/pcapng-writer.ts";
import type { StreamCaptureOptions } from "../../../hil/record/stream-capture.ts";
import { TcpConversation } from "../../../hil/record/tcp-conversation.ts";
import { checksum } from "../../../hil/record/tcp-packet.ts";

const at = (instant: number): Instant => (RUN_START + instant) as Instant;

/** What a TCP analyser reads out of one Ethernet frame. */
function decode(packet: Uint8Array) {
  const view = new DataView(packet.buffer, packet.byteOffset);
  const ip = (offset: number): string => packet.subarray(offset, offset + 4).join(".");
  const tcpLength = view.getUint16(16) - 20;
  const headerLength = ((packet[46] as number) >> 4) * 4;
  const pseudo = Uint8Array.of(...packet.subarray(26, 34), 0, 6, tcpLength >> 8, tcpLength & 0xff);
  const flags = packet[47] as number;
  return {
    macs: Buffer.from(packet.subarray(0, 12)).toString("hex"),
    from: `${ip(26)}:${view.getUint16(34)}`,
    to: `${ip(30)}:${view.getUint16(36)}`,
    flags: ["FIN", "SYN", "RST", "PSH", "ACK"].filter((_, bit) => (flags & (1 << bit)) !== 0).join(" "),
    sequence: view.getUint32(38),
    acknowledgment: view.getUint32(42),
    payload: packet.subarray(34 + headerLength, 34 + tcpLength),
    // a whole header with its own checksum sums up to zero (RFC 1071)
    checksumsHold:
      checksum(packet.subarray(14, 34)) === 0 && checksum(Uint8Array.of(...pseudo, ...packet.subarray(34))) === 0,
  };
}

function packetsOf(events: Iterable<TraceEvent>, options: StreamCaptureOptions = {}) {
  const packets: (ReturnType<typeof decode> & { time: number })[] = [];
  for (const block of pcapngOfTrace(events, { ...options, epoch: 0 })) {
    const view = new DataView(block.buffer);
    if (view.getUint32(0, true) !== 6) continue;
    const packet = block.subarray(28, 28 + view.getUint32(20, true));
    packets.push({ time: view.getUint32(16, true), ...decode(packet) });
  }
  return packets;
}

function traceOf(record: (trace: Trace) => void): Trace {
  const trace = new Trace();
  record(trace);
  return trace;
}

const opened = (trace: Trace, instant: number, name = "doip", server = "ZG_1"): void =>
  trace.record(at(instant), name, "stream.opened", { client: "VMG", server });
const data = (trace: Trace, instant: number, from: string, length: number): void =>
  trace.record(at(instant), "doip", "stream.data", { from, data: new Uint8Array(length).fill(0xaa) });
const closed = (trace: Trace, instant: number, by: string, reason: string): void =>
  trace.record(at(instant), "doip", "stream.closed", { by, reason });

describe("a stream in a capture", () => {
  it("opens by SYN, SYN ACK and ACK between the addresses of its nodes", () => {
    const packets = packetsOf(traceOf((trace) => opened(trace, 9)).events());
    expect(packets.map(({ flags }) => flags)).toEqual(["SYN", "SYN ACK", "ACK"]);
    const [syn, synAck, ack] = packets as [Packet, Packet, Packet];
    expect([syn.from, syn.to, syn.time]).toEqual(["192.168.1.100:49152", "192.168.1.10:13400", 9]);
    expect(syn.macs).toBe("0200c0a8010a0200c0a80164");
    expect(synAck.acknowledgment).toBe(syn.sequence + 1);
    expect([ack.sequence, ack.acknowledgment]).toEqual([syn.sequence + 1, synAck.sequence + 1]);
    expect(packets.every(({ checksumsHold }) => checksumsHold)).toBe(true);
  });

  it("has segments of at most 1460 bytes, every second one and the last acknowledged", () => {
    const trace = traceOf((writer) => {
      opened(writer, 0);
      data(writer, 1, "client", 1460 * 3 + 1);
    });
    const packets = packetsOf(trace.events()).slice(3);
    expect(packets.map(({ payload }) => payload.length)).toEqual([1460, 1460, 0, 1460, 1, 0]);
    expect(packets.map(({ flags }) => flags)).toEqual(["ACK", "ACK", "ACK", "ACK", "PSH ACK", "ACK"]);
    const [first] = packets as [Packet];
    const start = first.sequence;
    expect(packets.filter(({ payload }) => payload.length > 0).map(({ sequence }) => sequence - start)).toEqual([
      0, 1460, 2920, 4380,
    ]);
    const acknowledged = packets.filter(({ payload }) => payload.length === 0);
    expect(acknowledged.map(({ acknowledgment }) => acknowledgment - start)).toEqual([2920, 4381]);
    expect(packets.every(({ checksumsHold }) => checksumsHold)).toBe(true);
  });

  it("closes by FIN from both ends, the closing one first", () => {
    const trace = traceOf((writer) => {
      opened(writer, 0);
      closed(writer, 5, "server", "closed");
    });
    const packets = packetsOf(trace.events()).slice(3);
    expect(packets.map(({ flags }) => flags)).toEqual(["FIN ACK", "FIN ACK", "ACK"]);
    expect(packets[0]?.from).toBe("192.168.1.10:13400");
  });

  it("has the bytes that arrive after the close in front of the FIN", () => {
    const trace = traceOf((writer) => {
      opened(writer, 0);
      data(writer, 10, "client", 3);
      closed(writer, 11, "server", "closed");
      opened(writer, 12, "other", "ZG_2");
      data(writer, 20, "server", 7);
      writer.record(at(21), "VMG", "gateway.power", { on: 1 });
    });
    const packets = packetsOf(trace.events());
    const last = packets.slice(-5);
    expect(last.map(({ flags }) => flags)).toEqual(["PSH ACK", "ACK", "FIN ACK", "FIN ACK", "ACK"]);
    expect(last.map(({ time }) => time)).toEqual([20, 20, 20, 20, 20]);
    expect(packets.map(({ time }) => time)).toEqual(packets.map(({ time }) => time).toSorted((a, b) => a - b));
  });

  it("has nothing of its next connection in front of the FIN", () => {
    const trace = traceOf((writer) => {
      opened(writer, 0);
      closed(writer, 11, "client", "closed");
      opened(writer, 12);
      data(writer, 13, "client", 1);
    });
    const packets = packetsOf(trace.events()).slice(3);
    const ports = packets.map(({ from, to }) => [from, to].find((end) => !end.endsWith(":13400")));
    expect(packets.map(({ flags }) => flags).join(", ")).toBe("FIN ACK, FIN ACK, ACK, SYN, SYN ACK, ACK, PSH ACK, ACK");
    expect(ports.slice(0, 3).every((end) => end?.endsWith(":49152"))).toBe(true);
    expect(ports.slice(3).every((end) => end?.endsWith(":49153"))).toBe(true);
  });

  it.each(["reset", "timeout"])("ends by RST on %s", (reason) => {
    const trace = traceOf((writer) => {
      opened(writer, 0);
      closed(writer, 5, "fault", reason);
      data(writer, 6, "client", 5);
    });
    expect(
      packetsOf(trace.events())
        .slice(3)
        .map(({ flags }) => flags),
    ).toEqual(["RST ACK"]);
  });

  it("shows a refused connection as SYN and RST once its ends are known, and nothing before", () => {
    const trace = traceOf((writer) => {
      closed(writer, 0, "server", "refused");
      opened(writer, 1);
      closed(writer, 2, "client", "closed");
      closed(writer, 300_000_000, "server", "refused");
    });
    const flags = packetsOf(trace.events()).map((packet) => packet.flags);
    expect(flags.join(", ")).toBe("SYN, SYN ACK, ACK, FIN ACK, FIN ACK, ACK, SYN, RST ACK");
  });

  it("takes addresses and port that are given, and invents those of unknown nodes", () => {
    const trace = traceOf((writer) => {
      opened(writer, 0, "one", "ZG_9");
      opened(writer, 1, "two", "ZG_8");
    });
    const addresses = { VMG: { ip: "10.0.0.1", mac: "02:11:22:33:44:55" } };
    const packets = packetsOf(trace.events(), { addresses, serverPort: 3496 });
    expect(packets[0]).toMatchObject({ from: "10.0.0.1:49152", to: "192.168.2.1:3496" });
    expect(packets[0]?.macs).toBe("0200c0a80201021122334455");
    expect(packets[3]?.to).toBe("192.168.2.2:3496");
  });

  it.each([[{ ip: "10.0.0" }], [{ ip: "10.0.0.256" }], [{ ip: "10.0.0.1", mac: "02:11" }]])(
    "refuses the address %j",
    (address) => {
      const trace = traceOf((writer) => opened(writer, 0));
      expect(() => packetsOf(trace.events(), { addresses: { VMG: address } })).toThrow(
        expect.objectContaining({ code: "USAGE" }),
      );
    },
  );

  it("lets sequence numbers run over", () => {
    const end = { mac: new Uint8Array(6), ip: new Uint8Array(4), port: 1 };
    const conversation = new TcpConversation(
      { client: end, server: end },
      { client: 0xffff_fff0, server: 0xffff_ffff },
    );
    const packets = conversation.opened();
    packets.push(
      ...conversation.data("client", new Uint8Array(100)),
      ...conversation.data("client", new Uint8Array(1)),
    );
    const numbers = packets.map(decode).map(({ sequence, acknowledgment }) => [sequence, acknowledgment]);
    expect(numbers).toEqual([
      [0xffff_fff0, 0],
      [0xffff_ffff, 0xffff_fff1],
      [0xffff_fff1, 0],
      [0xffff_fff1, 0],
      [0, 85],
      [85, 0],
      [0, 86],
    ]);
  });
});

type Packet = ReturnType<typeof packetsOf>[number];

describe("the Internet checksum", () => {
  it("is that of the example in RFC 1071", () => {
    // section 3: 0001 f203 f4f5 f6f7 sum up to ddf2
    expect(checksum(Uint8Array.of(0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7))).toBe(~0xddf2 & 0xffff);
  });
});
