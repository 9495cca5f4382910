import type { SrupBody } from "./message-types.ts";
import type { Refusal, UnsentReason } from "./party.ts";

/** What comes in to either role from the broker and from the key service. */
export type PeerInput =
  /** The broker has been reached, for the first time or again; subscriptions are due. */
  | { readonly type: "connected" }
  | { readonly type: "message"; readonly topic: string; readonly payload: Uint8Array }
  /** The key service's answer to `lookUpKey`; without a key when it has none or can't be reached. */
  | { readonly type: "key"; readonly peer: string; readonly key?: string };

/** What an application of either role may send to a peer. */
export type SendInput =
  /** Values: {@link encodeSrupValue}. */
  | { readonly type: "sendData"; readonly peer: string; readonly dataId: string; readonly data: Uint8Array }
  | { readonly type: "sendAction"; readonly peer: string; readonly actionId: number }
  | { readonly type: "sendIdRequest"; readonly peer: string }
  /** The token of what is answered. */
  | { readonly type: "sendResponse"; readonly peer: string; readonly status: number; readonly token: Uint8Array };

/** What either role wants done, and what it tells its application. */
export type RoleOutput =
  /** To the broker: QoS 1, not retained. */
  | { readonly type: "publish"; readonly topic: string; readonly payload: Uint8Array }
  | { readonly type: "subscribe"; readonly topic: string }
  | { readonly type: "unsubscribe"; readonly topic: string }
  /** Ask the key service; ends in the input `key`. */
  | { readonly type: "lookUpKey"; readonly peer: string }
  /** The counter stands where it stood. */
  | { readonly type: "unsent"; readonly peer: string; readonly body: SrupBody["type"]; readonly reason: UnsentReason }
  | Refusal
  | { readonly type: "action"; readonly peer: string; readonly actionId: number; readonly token: Uint8Array }
  | { readonly type: "data"; readonly peer: string; readonly dataId: string; readonly data: Uint8Array }
  | { readonly type: "identified"; readonly peer: string }
  /** Any status; those that this role acts on come as outputs of their own besides. */
  | { readonly type: "response"; readonly peer: string; readonly status: number; readonly token: Uint8Array };

/** The data id of what answers an ID_REQUEST. */
export const IDENTIFICATION_RESPONSE = "IDENTIFICATION_RESPONSE";
