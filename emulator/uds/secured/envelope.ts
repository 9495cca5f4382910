import type { Crypto } from "../../kernel/crypto.ts";
import { Nrc, POSITIVE_RESPONSE_OFFSET, Sid } from "../../wire/uds.ts";
import type { SecuredConfig } from "./config.ts";

/** Administrative Parameter. (ISO 14229-1:2020, Table 490) */
const Admin = {
  request: 0x0001,
  preEstablishedKey: 0x0008,
  encrypted: 0x0010,
  signed: 0x0020,
  signedResponse: 0x0040,
} as const;

/** Signature/Encryption Calculation, of the vehicle maker's range. (docs/protocols/ecu.md, secured data transmission) */
const Calculation = { HmacSha256: 0x00, Aes128Gcm: 0x01 } as const;
type Calculation = (typeof Calculation)[keyof typeof Calculation];

const SIGNATURE_LENGTH: Readonly<Record<Calculation, number>> = {
  [Calculation.HmacSha256]: 32,
  [Calculation.Aes128Gcm]: 16,
};

const Offset = { admin: 1, calculation: 3, signatureLength: 4, counter: 6, message: 8 } as const;
const NONCE_LENGTH = 12;
const NO_BYTES = new Uint8Array(0);

/** What the answer to a secured request must know of it. */
export interface Envelope {
  readonly calculation: Calculation;
  readonly key: Uint8Array;
  readonly counter: number;
  readonly signedResponse: boolean;
}

type Opened =
  | { readonly type: "refused"; readonly nrc: Nrc }
  | { readonly type: "opened"; readonly message: Uint8Array; readonly envelope: Envelope };

const FORGED: Opened = { type: "refused", nrc: Nrc.SecureDataVerificationFailed };

/** Takes the internal message out of an 0x84 request, if it is signed as it must be. Its counter is not looked at. */
export function opened(request: Uint8Array, config: SecuredConfig, crypto: Crypto): Opened {
  if (request.length <= Offset.message) return { type: "refused", nrc: Nrc.IncorrectMessageLengthOrInvalidFormat };
  const view = new DataView(request.buffer, request.byteOffset, request.length);
  const admin = view.getUint16(Offset.admin);
  const calculation = request[Offset.calculation] as number;
  const end = request.length - view.getUint16(Offset.signatureLength);
  if (end <= Offset.message) return { type: "refused", nrc: Nrc.IncorrectMessageLengthOrInvalidFormat };
  if (calculation !== Calculation.HmacSha256 && calculation !== Calculation.Aes128Gcm) return FORGED;
  const encrypted = calculation === Calculation.Aes128Gcm;
  const key = encrypted ? config.aes128GcmKey : config.hmacSha256Key;
  if (key === undefined || !isFitting(admin, encrypted)) return FORGED;
  if (request.length - end !== SIGNATURE_LENGTH[calculation]) return FORGED;
  const counter = view.getUint16(Offset.counter);
  const signedResponse = (admin & Admin.signedResponse) !== 0;
  const message = encrypted ? decrypted(request, key, counter, crypto) : verified(request, end, key, crypto);
  if (message === undefined) return FORGED;
  return { type: "opened", message, envelope: { calculation, key, counter, signedResponse } };
}

/** The 0xC4 response that carries `response`. */
export function sealed(response: Uint8Array, envelope: Envelope, crypto: Crypto): Uint8Array {
  const { calculation, key, counter, signedResponse } = envelope;
  const encrypted = calculation === Calculation.Aes128Gcm;
  const signed = encrypted || signedResponse;
  const signatureLength = signed ? SIGNATURE_LENGTH[calculation] : 0;
  const whole = new Uint8Array(Offset.message + response.length + signatureLength);
  const view = new DataView(whole.buffer);
  whole[0] = Sid.SecuredDataTransmission + POSITIVE_RESPONSE_OFFSET;
  const flags = Admin.preEstablishedKey | (encrypted ? Admin.encrypted : 0) | (signed ? Admin.signed : 0);
  view.setUint16(Offset.admin, flags);
  whole[Offset.calculation] = calculation;
  view.setUint16(Offset.signatureLength, signatureLength);
  view.setUint16(Offset.counter, counter);
  if (encrypted) {
    whole.set(
      crypto.aesGcmSeal(key, nonceOf(whole, counter), whole.slice(0, Offset.message), response),
      Offset.message,
    );
    return whole;
  }
  whole.set(response, Offset.message);
  const end = Offset.message + response.length;
  whole.set(signed ? crypto.hmacSha256(key, whole.slice(0, end)) : NO_BYTES, end);
  return whole;
}

/** How much longer a response is in its envelope. */
export const overhead = ({ calculation, signedResponse }: Envelope): number =>
  Offset.message + (calculation === Calculation.Aes128Gcm || signedResponse ? SIGNATURE_LENGTH[calculation] : 0);

/** An encrypted request has an encrypted, signed response. */
function isFitting(admin: number, encrypted: boolean): boolean {
  const must = Admin.request | Admin.preEstablishedKey | Admin.signed;
  if (encrypted) return admin === (must | Admin.encrypted | Admin.signedResponse);
  return (admin & ~Admin.signedResponse) === must;
}

/** Never twice with one key: the first byte tells request and response apart, and a counter is taken once. */
function nonceOf(message: Uint8Array, counter: number): Uint8Array {
  const nonce = new Uint8Array(NONCE_LENGTH);
  nonce[0] = message[0] as number;
  new DataView(nonce.buffer).setUint16(NONCE_LENGTH - 2, counter);
  return nonce;
}

function decrypted(request: Uint8Array, key: Uint8Array, counter: number, crypto: Crypto): Uint8Array | undefined {
  const header = request.slice(0, Offset.message);
  return crypto.aesGcmOpen(key, nonceOf(request, counter), header, request.slice(Offset.message));
}

function verified(request: Uint8Array, end: number, key: Uint8Array, crypto: Crypto): Uint8Array | undefined {
  const right = crypto.hmacSha256(key, request.slice(0, end));
  const fits = right.every((octet, index) => octet === request[end + index]);
  return fits ? request.slice(Offset.message, end) : undefined;
}
