/** The suites of TLS 1.3, as OpenSSL names them. (RFC 8446, B.4) */
const TLS13_CIPHERS = "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256";

/** The one suite of TLS 1.2 that is spoken, and only where TLS 1.2 is asked for. (RFC 5289) */
const TLS12_CIPHER = "ECDHE-RSA-AES256-GCM-SHA384";

/** The versions and suites that a client or server of the HTTPS update system speaks. */
export const tlsVersions = (tlsMin: "1.3" | "1.2") =>
  tlsMin === "1.2"
    ? ({ minVersion: "TLSv1.2", maxVersion: "TLSv1.3", ciphers: `${TLS13_CIPHERS}:${TLS12_CIPHER}` } as const)
    : ({ minVersion: "TLSv1.3", maxVersion: "TLSv1.3", ciphers: TLS13_CIPHERS } as const);
