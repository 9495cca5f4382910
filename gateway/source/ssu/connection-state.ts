import type { Instant } from "../../../emulator/kernel/time.ts";
import type { PacketFault } from "./packet.ts";
import type { Security } from "./packet-options.ts";

/** Names of RFC 9293, 3.3.2. SYN-SENT is the opener's; LISTEN and
 * SYN-RECEIVED are the listener's, which keeps nothing of them. */
export type ConnectionState =
  | {
      readonly name: "ESTABLISHED" | "FIN-WAIT-1" | "FIN-WAIT-2" | "CLOSE-WAIT" | "CLOSING" | "LAST-ACK";
    }
  | { readonly name: "TIME-WAIT"; readonly until: Instant }
  /** We have reset it, and say so to a peer that has not heard it yet. */
  | { readonly name: "RESET"; readonly until: Instant; readonly reason: number | undefined }
  | { readonly name: "CLOSED" };

/** Why a connection has failed. */
export interface ConnectionFailure {
  /**
   * "SSU_UNREACHABLE": no answer to the opening. "SSU_REFUSED": the opening was answered with a reset. "SSU_TIMEOUT": no
   * progress for too long. "SSU_RESET": the peer has reset it. "SSU_ABORTED": this side has.
   */
  readonly code: "SSU_UNREACHABLE" | "SSU_REFUSED" | "SSU_TIMEOUT" | "SSU_RESET" | "SSU_ABORTED" | "SSU_DOWNGRADE";
  readonly reason: string;
  /** What the reset said of its reason: a code of an alert. */
  readonly alert?: number;
}

/** What was dropped, by reason, and how much went to and fro. Packets. */
export interface ConnectionCounters {
  readonly sent: number;
  readonly received: number;
  readonly resent: number;
  readonly dropped: Readonly<Partial<Record<DropReason, number>>>;
}

/**
 * Why a datagram was not acted on: it was no packet, was for another connection, lacked a good tag, lay outside of the
 * window, acknowledged what was never sent, or made no sense in this state.
 */
export type DropReason = PacketFault | "connectionId" | "unauthenticated" | "sequence" | "acknowledgement" | "state";

/** What both sides of a connection know when it is open. */
export interface Opening {
  readonly localId: bigint;
  readonly peerId: bigint;
  /** Initial sequence numbers. */
  readonly iss: number;
  readonly irs: number;
  readonly peerWindow: number;
  /** Settled: the smaller one of both sides. */
  readonly maxDatagram: number;
  readonly security: typeof Security.Plain | typeof Security.Secure;
  /** SHA-256 of the options of SYN and of SYN-ACK as they were sent: the secure handshake vouches for them. */
  readonly synDigest: Uint8Array;
  readonly synAckDigest: Uint8Array;
}
