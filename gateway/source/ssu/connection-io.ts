import type { ConnectionFailure } from "./connection-state.ts";

/** Keys for the tag behind each packet; `required`: what comes without a good tag is dropped. */
export interface Protection {
  readonly sendKey: Uint8Array;
  readonly receiveKey: Uint8Array;
  readonly required: boolean;
}

/** Makes a tag of {@link AUTH_TAG_LENGTH} bytes. */
export type PacketMac = (key: Uint8Array, covered: Uint8Array) => Uint8Array;

export type ConnectionOutput =
  | { readonly type: "datagram"; readonly data: Uint8Array }
  /** Bytes can be read with {@link SsuConnection.read}. */
  | { readonly type: "readable" }
  /** There is room again to write: a quarter of the buffer, after there was less. */
  | { readonly type: "writable" }
  /** The peer has sent all it will. */
  | { readonly type: "ended" }
  /** Both sides have ended, and know it. */
  | { readonly type: "closed" }
  | { readonly type: "failed"; readonly failure: ConnectionFailure }
  /** Nothing more is to come or to be answered: forget it. */
  | { readonly type: "gone" };
