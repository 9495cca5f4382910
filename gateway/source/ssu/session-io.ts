import type { SessionFailure } from "./alerts.ts";
import type { Opening } from "./connection-state.ts";
import type { SsuIdentity, SsuTicket, SsuTrust } from "./credentials.ts";
import type { Security } from "./packet-options.ts";
import type { TicketIssuer } from "./tickets.ts";

export interface ClientSide {
  readonly role: "client";
  /** What is asked for: plaintext, security and nothing else, or security if the server has it. */
  readonly security: Security;
  /** Needed for all but plaintext: whom to believe, and whom we want to talk to. */
  readonly trust?: SsuTrust;
  readonly serverName?: string;
  readonly ticket?: SsuTicket | undefined;
  /** To be sent at once where a ticket allows it, otherwise when the stream is open. Whatever can be asked twice. */
  readonly early?: Uint8Array | undefined;
}

export interface ServerSide {
  readonly role: "server";
  readonly opening: Opening;
  /** Needed for all but plaintext. */
  readonly identity?: SsuIdentity | undefined;
  readonly tickets: TicketIssuer;
  readonly earlyMax: number;
}

export type SessionInput =
  | { readonly type: "datagram"; readonly data: Uint8Array }
  /** No more than {@link SsuSession.room}. */
  | { readonly type: "write"; readonly data: Uint8Array }
  /** Nothing more will be written. */
  | { readonly type: "end" }
  | { readonly type: "abort" }
  /** No more data, please; the peer is slowed down. */
  | { readonly type: "pause" }
  | { readonly type: "resume" };

export type SessionOutput =
  | { readonly type: "datagram"; readonly data: Uint8Array }
  | { readonly type: "opened"; readonly secure: boolean; readonly resumed: boolean; readonly earlyAccepted: boolean }
  | { readonly type: "data"; readonly data: Uint8Array; readonly early: boolean }
  | { readonly type: "writable" }
  | { readonly type: "ticket"; readonly ticket: SsuTicket }
  /** The peer sends no more. */
  | { readonly type: "ended" }
  /** Both have ended. */
  | { readonly type: "closed" }
  | { readonly type: "failed"; readonly failure: SessionFailure }
  /** Forget it. */
  | { readonly type: "gone" };
