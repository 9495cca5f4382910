import type { SignatureAlgorithm } from "../../kernel/crypto.ts";

/** What the server waits for. */
type Expected =
  | { readonly type: "nothing" }
  /** 03: the proof that the certificate's key is the client's. */
  | {
      readonly type: "ownership";
      readonly publicKey: Uint8Array;
      readonly algorithm: SignatureAlgorithm;
      readonly challengeServer: Uint8Array;
      readonly challengeClient: Uint8Array;
    }
  /** 06 or 07. */
  | { readonly type: "response"; readonly challengeServer: Uint8Array };

/** What 0x29 remembers between requests. */
export interface AuthenticationMemory {
  readonly authenticated: boolean;
  readonly expected: Expected;
  /** Authorities that were handed in by 04: X.509, DER. */
  readonly authorities: readonly Uint8Array[];
}

export const NOT_AUTHENTICATED: AuthenticationMemory = {
  authenticated: false,
  expected: { type: "nothing" },
  authorities: [],
};
