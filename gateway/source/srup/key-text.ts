import type { SrupVersion } from "./srup-message.ts";

/** How a party signs its messages: "rsa" is protocol version 5, the others are version 6. */
export const SRUP_SIGNATURES = ["rsa", "ed25519", "ml-dsa-65"] as const;
export type SrupSignatures = (typeof SRUP_SIGNATURES)[number];

/**
 * The keys of a party, all public or all private, as one text: the PEM of its RSA key, and under protocol version 6, behind
 * it, the PEM of the key that it signs with. So whoever has the text knows which version, and which algorithm, its owner
 * speaks; no message can change that. (docs/protocols/srup.md, Version 6)
 */
export interface KeyText {
  readonly version: SrupVersion;
  /** PEM; what is encrypted is encrypted for this one. */
  readonly rsa: string;
  /** PEM; what messages are signed with. Under version 5 the RSA key again. */
  readonly signing: string;
}

/** Total; keys themselves are not looked at. Behind more than two of them nothing can be signed or verified. */
export function readKeyText(text: string): KeyText {
  const [, second, third] = [...text.matchAll(/-----BEGIN /g)].map(({ index }) => index);
  if (second === undefined) return { version: 5, rsa: text, signing: text };
  return { version: 6, rsa: text.slice(0, second), signing: third === undefined ? text.slice(second) : "" };
}
