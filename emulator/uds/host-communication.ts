import type { Instant } from "../kernel/time.ts";

/** What a communicationType means. (ISO 14229-1:2020, B.1) */
export interface MessageKinds {
  readonly normal: boolean;
  readonly networkManagement: boolean;
}

/** The messages that an ECU sends and receives apart from diagnostics, as its UDS server sees them. */
export interface CommunicationHost {
  /** Its own, for the types with enhanced address information; undefined: it has none. */
  readonly nodeIdentificationNumber: number | undefined;
  /** Messages of these kinds are received, and sent, or not. */
  control(kinds: MessageKinds, receive: boolean, transmit: boolean, now: Instant): void;
  /** The default session: everything is received and sent. */
  sessionEnded(now: Instant): void;
}
