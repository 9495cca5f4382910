import { UsageError } from "../../../emulator/kernel/errors.ts";
import { type Duration, ms, s } from "../../../emulator/kernel/time.ts";
import { DATAGRAM_FLOOR, DATAGRAM_MAX } from "./packet-options.ts";

/** How one side of a connection behaves. Each value that is not given is that of {@link SSU_DEFAULTS}. */
export interface SsuConfig {
  /** The largest datagram that this side takes and sends, bytes of UDP payload; 548 to 65 507. */
  readonly maxDatagram: number;
  /** What is kept of written bytes until they are acknowledged, and of received ones until they are read; bytes. */
  readonly sendBuffer: number;
  readonly receiveBuffer: number;
  /** Bounds of the retransmission timeout. (RFC 6298) */
  readonly rtoInitial: Duration;
  readonly rtoMin: Duration;
  readonly rtoMax: Duration;
  /** How long the opening may take. */
  readonly openTimeout: Duration;
  /** How long no progress is borne with anything outstanding, and no answer to probes. (R2 of RFC 9293, 3.8.3) */
  readonly giveUp: Duration;
  /** The longest wait before an acknowledgement. (RFC 9293, 3.8.6.3) */
  readonly delayedAck: Duration;
  /** TIME-WAIT; longer than the longest wait of a peer before it sends its FIN again. */
  readonly timeWait: Duration;
  /** Silence after which the peer is asked whether it is still there; 0: never. */
  readonly keepAlive: Duration;
  /** How long after the opening the secure handshake may take. */
  readonly handshakeTimeout: Duration;
}

export const SSU_DEFAULTS: SsuConfig = {
  maxDatagram: 1200,
  sendBuffer: 262_144,
  receiveBuffer: 262_144,
  rtoInitial: s(1),
  rtoMin: ms(200),
  rtoMax: s(60),
  openTimeout: s(30),
  giveUp: s(100),
  delayedAck: ms(25),
  timeWait: s(120),
  keepAlive: 0 as Duration,
  handshakeTimeout: s(10),
};

/** A SYN is padded up to that, so that no answer to it is longer than it. */
export const SYN_LENGTH_MIN = 256;
/** What a server takes from a client before the secure handshake ends, bytes of the stream. */
export const HANDSHAKE_BUFFER = 16_384;

/** @throws {UsageError} for a value that can't work */
export function ssuConfig(config: Partial<SsuConfig>): SsuConfig {
  const whole: SsuConfig = { ...SSU_DEFAULTS, ...config };
  for (const [name, value] of Object.entries(whole)) {
    if (!Number.isSafeInteger(value) || value < 0) throw new UsageError(`ssu: ${name} is no whole number`);
  }
  if (whole.maxDatagram < DATAGRAM_FLOOR || whole.maxDatagram > DATAGRAM_MAX) {
    throw new UsageError(
      `ssu: datagrams of ${whole.maxDatagram} bytes; they may have ${DATAGRAM_FLOOR} to ${DATAGRAM_MAX}`,
    );
  }
  if (whole.sendBuffer < HANDSHAKE_BUFFER || whole.receiveBuffer < HANDSHAKE_BUFFER) {
    throw new UsageError(`ssu: a buffer has ${HANDSHAKE_BUFFER} bytes or more`);
  }
  if (whole.rtoMin <= 0 || whole.rtoMax < whole.rtoMin)
    throw new UsageError("ssu: rtoMin is over 0 and not over rtoMax");
  return whole;
}
