import { Prng } from "../../emulator/kernel/prng.ts";
import { ms, s, toSeconds } from "../../emulator/kernel/time.ts";
import { SSU_DEFAULTS } from "../../gateway/source/ssu/ssu-config.ts";
import { SsuWorld } from "./ssu-link.ts";

/** The link of the comparison: there and back, and bits a second each way. */
const ROUND_TRIP_S = 0.05;
const RATE = 10e6;
const LENGTH = 8 * 1024 * 1024;

/** Of UDP over IPv4, and of this protocol without and with security. */
const IP_UDP = 28;
const HEADER = 40;
const RECORD = 19 / 16_384;
const TAG = 16;

export interface Transfer {
  /** Virtual time from the first SYN to the last byte. */
  readonly seconds: number;
  /** Bits a second of what the application had to say. */
  readonly goodput: number;
  readonly sent: number;
  readonly resent: number;
}

const content = new Prng("8 MiB").bytes(LENGTH);

/**
 * A server sends 8 MiB to a client over a link of 50 ms and 10 Mbit/s, in virtual time.
 * @param loss chance of each datagram, either way
 */
export function transferOverLink(loss: number, seed: number, side = {}, listener = {}): Transfer {
  const half = ms((ROUND_TRIP_S * 1000) / 2);
  const world = new SsuWorld({ seed, delay: half, rate: RATE, loss, listener });
  let session = -1;
  world.onServer = (id, output) => {
    if (output.type !== "opened") return;
    session = id;
    world.serve(id, content);
  };
  const client = world.connect(side);
  client.send(Uint8Array.of(1), false);
  if (!world.runUntil(() => client.seen.has("ended"), s(36_000))) throw new Error("the transfer does not end");
  const seconds = toSeconds(world.now);
  if (Buffer.compare(client.seen.bytes, content) !== 0) throw new Error("that is not what was sent");
  const { sent, resent } = world.listener.session(session)?.counters ?? { sent: 0, resent: 0 };
  return { seconds, goodput: (LENGTH * 8) / seconds, sent, resent };
}

/** What the link can carry of an application's bytes, bits a second. */
export function linkLimit(isSecure: boolean): number {
  const payload = SSU_DEFAULTS.maxDatagram - HEADER - (isSecure ? TAG : 0);
  return (RATE * payload * (isSecure ? 1 - RECORD : 1)) / (SSU_DEFAULTS.maxDatagram + IP_UDP);
}

/**
 * What TCP's congestion avoidance comes to, bits a second: MSS / RTT * sqrt(3/2) / sqrt(p), every segment acknowledged.
 * (Mathis, Semke, Mahdavi, Ott: The macroscopic behavior of the TCP congestion avoidance algorithm, 1997)
 */
export function mathis(loss: number, isSecure: boolean): number {
  const segment = SSU_DEFAULTS.maxDatagram - HEADER - (isSecure ? TAG : 0);
  return ((segment * 8) / ROUND_TRIP_S) * Math.sqrt(1.5 / loss);
}
