import type { TraceEvent } from "../../emulator/kernel/trace.ts";
import { CAPTURE_EPOCH, type CapturedFrame } from "./captured-frame.ts";
import { withLateCloses } from "./late-closes.ts";
import { enhancedPacket, interfaceDescription, LinkType, sectionHeader } from "./pcapng-blocks.ts";
import { encodeSocketCan } from "./socketcan-packet.ts";
import { StreamCapture, type StreamCaptureOptions } from "./stream-capture.ts";
import { WireFrames } from "./wire-frames.ts";

export interface PcapngOptions extends StreamCaptureOptions {
  /** Unix time of the start of the run, seconds. */
  readonly epoch?: number;
}

const APPLICATION = "otabench";
/** Name of the interface on which the streams between the gateways are. */
const ETHERNET_NAME = "ethernet";

/** Numbers the interfaces of one section, each described right before its first packet. */
class Interfaces {
  readonly #numbers = new Map<string, number>();

  *packet(linkType: number, name: string, time: bigint, packet: Uint8Array): Generator<Uint8Array> {
    const key = `${linkType} ${name}`;
    let number = this.#numbers.get(key);
    if (number === undefined) {
      number = this.#numbers.size;
      this.#numbers.set(key, number);
      yield interfaceDescription(linkType, name);
    }
    yield enhancedPacket(number, time, packet);
  }
}

/**
 * A capture of a whole run, block by block: one interface for each CAN bus, and one Ethernet interface for the streams
 * between gateways.
 */
export function* pcapngOfTrace(events: Iterable<TraceEvent>, options: PcapngOptions = {}): Generator<Uint8Array> {
  const start = BigInt(options.epoch ?? CAPTURE_EPOCH) * 1_000_000_000n;
  const streams = new StreamCapture(options);
  const interfaces = new Interfaces();
  const wires = new WireFrames();
  yield sectionHeader(APPLICATION);
  for (const event of withLateCloses(events)) {
    const time = start + BigInt(event.at);
    const frame = wires.of(event);
    if (frame !== undefined) {
      yield* interfaces.packet(LinkType.CanSocketCan, event.source, time, encodeSocketCan(frame));
    } else if (event.type === "stream.opened" || event.type === "stream.data" || event.type === "stream.closed") {
      for (const packet of streams.packets(event)) {
        yield* interfaces.packet(LinkType.Ethernet, ETHERNET_NAME, time, packet);
      }
    }
  }
}

/** A capture of CAN frames, block by block. */
export function* pcapngOfFrames(frames: Iterable<CapturedFrame>): Generator<Uint8Array> {
  const interfaces = new Interfaces();
  yield sectionHeader(APPLICATION);
  for (const { time, bus, frame } of frames) {
    yield* interfaces.packet(LinkType.CanSocketCan, bus, time, encodeSocketCan(frame));
  }
}
