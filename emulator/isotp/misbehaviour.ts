import type { Duration } from "../kernel/time.ts";

/**
 * What a receiver does wrong on purpose while it takes one segmented message. `block` counts the flow control frames that
 * would be due: 1, if left out, answers the first frame.
 */
export type ReceptionFault =
  /** The frame goes out after `delay` instead of N_Br. */
  | { readonly name: "lateFlowControl"; readonly delay: Duration; readonly block?: number }
  /** It never goes out, and the receiver believes that it did. */
  | { readonly name: "missingFlowControl"; readonly block?: number }
  /** BS and STmin are others in each frame, one after the other and then from the beginning. */
  | {
      readonly name: "changingFlowControl";
      readonly parameters: readonly { readonly blockSize: number; readonly stMin: Duration }[];
    }
  /** FS overflow, in the middle of a message too, where no standard allows it. */
  | { readonly name: "overflowAtBlock"; readonly block: number }
  /** FS wait, and again every `interval`, until another message begins. */
  | { readonly name: "waitForever"; readonly interval: Duration; readonly block?: number };

/** What a sender does wrong on purpose while it sends one segmented message. */
export interface SendingFault {
  readonly name: "wrongSequenceNumber";
  /** That consecutive frame, 1 first, has the SN of its successor; those behind it are right again. */
  readonly frame: number;
}

/** Asked once for each segmented message, when its first frame comes or goes. The answer counts for that message. */
export interface IsoTpFaults {
  /** @param firstByte of the message: of a UDS request the SID @param length FF_DL */
  reception(firstByte: number, length: number): ReceptionFault | undefined;
  sending(message: Uint8Array): SendingFault | undefined;
}
