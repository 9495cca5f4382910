/**
 * Whether a packet's place is in the window. (RFC 9293, 3.4, table 6) What stands exactly at the next number is let in
 * whatever the window is, for its acknowledgement and its FIN; data beyond the room is cut off later.
 * @param length payload and FIN @param next RCV.NXT @param edge the right edge of the window
 */
export function acceptable(seq: number, length: number, next: number, edge: number): boolean {
  if (seq === next) return true;
  if (seq >= edge) return false;
  return length === 0 ? seq > next : seq + length > next;
}

interface SendSpace {
  readonly una: number;
  readonly ackMax: number;
  readonly windowMax: number;
}

/** Whether an acknowledgement is of what was never sent, or so old that it must be forged. (RFC 5961, 5.2) */
export const acknowledgementFault = (ack: number, { una, ackMax, windowMax }: SendSpace): boolean =>
  ack > ackMax || ack < una - windowMax;
