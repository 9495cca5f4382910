import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import type { QuicClientSession } from "@currentspace/http3";
import { type HostFailure, hostFailed } from "../http-failure.ts";
import { loadQuic, QUIC_RUNTIME } from "../quic.ts";

export interface QuicPeer {
  readonly host: string;
  readonly port: number;
  /** The name that its certificate must be for; the host if left out. */
  readonly serverName?: string | undefined;
  readonly ca: string;
  readonly identity?: { readonly certificate: string; readonly privateKey: string } | undefined;
  readonly alpn: string;
}

/** An attempt at a further address begins so long after the one before, milliseconds. */
const STAGGER_MS = 250;
const ADDRESSES_MAX = 4;
const HANDSHAKE_TIMEOUT_MS = 5_000;
const IDLE_TIMEOUT_MS = 60_000;
/** What a server may have on its way to us, bytes. */
const WINDOW = 4 * 1024 * 1024;
const STREAMS_MAX = 16;
/** The reason of a failed handshake comes a moment after the failure. */
const REASON_DELAY_MS = 10;
/** The library never finds an address in a certificate; ours are for this name too. */
const LOOPBACK = /^(?:127\.\d+\.\d+\.\d+|::1)$/;

/** A connection, or why there is none. Of the addresses of a host the first one that answers counts. */
export async function quicConnect(peer: QuicPeer): Promise<QuicClientSession | HostFailure> {
  if (!peer.ca.includes("-----BEGIN CERTIFICATE-----"))
    return hostFailed("HOST_TLS_UNTRUSTED", "no certificate is given that the server's could lead to");
  let addresses: string[];
  try {
    addresses =
      isIP(peer.host) > 0 ? [peer.host] : (await lookup(peer.host, { all: true })).map((each) => each.address);
  } catch (cause) {
    return hostFailed("HOST_REFUSED", `${peer.host} has no address: ${(cause as Error).message}`);
  }
  return race([...new Set(addresses)].slice(0, ADDRESSES_MAX), peer);
}

/** The first connection wins, and what an unwilling server says ends the race; silence is waited out at all of them. */
async function race(addresses: readonly string[], peer: QuicPeer): Promise<QuicClientSession | HostFailure> {
  const { promise, resolve } = Promise.withResolvers<QuicClientSession | HostFailure>();
  let isOver = false;
  let left = addresses.length;
  const attempt = async (address: string, index: number): Promise<void> => {
    if (index > 0) await new Promise((next) => setTimeout(next, index * STAGGER_MS));
    if (isOver) return;
    const result = await connectTo(address, peer);
    left--;
    const isConnected = !("type" in result);
    if (isOver) {
      if (isConnected) await result.close(0, "").catch(() => {});
    } else if (isConnected || result.code !== "HOST_TIMEOUT" || left === 0) {
      isOver = true;
      resolve(result);
    }
  };
  for (const [index, address] of addresses.entries()) void attempt(address, index);
  return promise;
}

async function connectTo(address: string, peer: QuicPeer): Promise<QuicClientSession | HostFailure> {
  const { host, port, serverName, ca, identity, alpn } = peer;
  const servername = serverName ?? (LOOPBACK.test(host) ? "localhost" : host);
  let closed: { errorCode?: number; reason?: string } | undefined;
  try {
    const { connectQuic } = await loadQuic();
    const session = connectQuic(
      { address, port, servername },
      {
        ...QUIC_RUNTIME,
        alpn: [alpn],
        ca,
        ...(identity !== undefined && { cert: identity.certificate, key: identity.privateKey }),
        initialMaxData: WINDOW,
        initialMaxStreamsBidi: STREAMS_MAX,
        connectTimeoutMs: HANDSHAKE_TIMEOUT_MS,
        maxIdleTimeoutMs: IDLE_TIMEOUT_MS,
      },
    );
    session.on("error", () => {});
    session.on("close", (info) => {
      closed = info;
    });
    await session.ready();
    return session;
  } catch (error) {
    await new Promise((next) => setTimeout(next, REASON_DELAY_MS));
    const code = (error as { code?: string }).code;
    if (code === "QUIC_UNSUPPORTED") return hostFailed("HOST_UNSUPPORTED", (error as Error).message);
    return closeFailure(closed?.errorCode, false) ?? hostFailed("HOST_TIMEOUT", (error as Error).message);
  }
}

/** CRYPTO_ERROR: 0x100 and the alert of TLS. (RFC 9001, 4.8; RFC 8446, 6) */
const CRYPTO_ERROR = 0x100;
const ALERTS_MAX = 0xff;
/** bad, unsupported, revoked, expired, unknown certificate, unknown CA. */
const UNTRUSTED: ReadonlySet<number> = new Set([42, 43, 44, 45, 46, 48]);
/** close_notify stands for a certificate that was asked for and did not come; 116 is certificate_required. */
const DEVICE_REFUSED: ReadonlySet<number> = new Set([0, 116]);

/**
 * What the error code of a closed connection says; undefined when it is none of TLS.
 * @param wasReady the connection stood on this side, so the server's certificate was good: an alert is about the device's
 */
export function closeFailure(errorCode: number | undefined, wasReady: boolean): HostFailure | undefined {
  const alert = (errorCode ?? 0) - CRYPTO_ERROR;
  if (alert < 0 || alert > ALERTS_MAX) return undefined;
  if (UNTRUSTED.has(alert)) {
    return wasReady
      ? hostFailed("HOST_DEVICE_REFUSED", `the server does not trust the device's certificate: TLS alert ${alert}`)
      : hostFailed("HOST_TLS_UNTRUSTED", `TLS alert ${alert}`);
  }
  if (DEVICE_REFUSED.has(alert))
    return hostFailed("HOST_DEVICE_REFUSED", "the server wants a certificate of the device");
  return hostFailed("HOST_TLS", `TLS alert ${alert}`);
}
