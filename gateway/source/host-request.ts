import type { SrupSignatures } from "./srup/key-text.ts";

/** One HTTP request, for a server of the https system. */
export interface HttpRequest {
  readonly kind: "http";
  readonly method: "GET" | "HEAD" | "POST";
  /** An https URL; an http one where something else proves what comes. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  /** Certificates that the server's must lead to, PEM. Nothing else is trusted. */
  readonly ca: string;
  /** "1.3", or "1.2" to allow ECDHE-RSA-AES256-GCM-SHA384 under TLS 1.2 for servers that have nothing newer. */
  readonly tlsMin: "1.3" | "1.2";
  /** The answer is cut, and failed, beyond that many bytes of body. */
  readonly bodyMax: number;
}

/** One exchange with a server of the rsu system, on a connection of its own. */
export interface RsuRequest {
  readonly kind: "rsu";
  /** "look": what is there; nothing is fetched. */
  readonly method: "look" | "fetch";
  /** "rsu://host:port" */
  readonly url: string;
  /** Which firmware is asked for; the server's first one if left out. */
  readonly target?: string;
  /** x.y.z that the device has. */
  readonly version: string;
  /** The byte that is missing first, of the content with that SHA-256. */
  readonly resume?: { readonly from: number; readonly of: string };
  /** How long the server may wait for something newer, seconds. */
  readonly wait?: number;
  /** Certificates that the server's must lead to, PEM. Nothing else is trusted. */
  readonly ca: string;
  /** The name that its certificate must be for; that of the URL if not given. */
  readonly serverName?: string;
  /** What the device shows when it is asked who it is, PEM. */
  readonly identity?: { readonly certificate: string; readonly privateKey: string };
  readonly bodyMax: number;
}

/** One piece of a device's life under a server of the srup system; its session goes on between them. */
export interface SrupRequest {
  readonly kind: "srup";
  /** "look": register and join if that has not been done, and wait for an update. "report": how installing it went. */
  readonly method: "look" | "fetch" | "report";
  /** The key service, "http://host:port" or "https://host:port". */
  readonly url: string;
  /** Tells devices of one process apart. */
  readonly device: string;
  readonly join: "simple" | "human" | "observed";
  /** Identity of the device that confirms an observed join. */
  readonly observer?: string;
  /** What messages are signed with, and so which protocol version is spoken; RSA for a new device, if left out. */
  readonly signatures?: SrupSignatures;
  /** What is answered to a server that asks who we are. */
  readonly identification: string;
  /** How long an update is waited for after the join, milliseconds. */
  readonly waitMs: number;
  /** How long a join may take, and the order to install what was fetched, milliseconds. */
  readonly patienceMs: number;
  /** Folder where identity, keys and numbers are kept; left out, the device is a new one in every process. */
  readonly state?: string;
  /** The byte that is missing first, of the content with that SHA-256. */
  readonly resume?: { readonly from: number; readonly of: string };
  /** Of a report: how the installation ended. */
  readonly verdict?: string;
  /** Certificates that those of https services must lead to, PEM. */
  readonly ca: string;
  readonly bodyMax: number;
}

/** One exchange with a server of the ssu system, on a stream of its own. */
export interface SsuRequest {
  readonly kind: "ssu";
  /** "look": what is there; nothing is fetched. */
  readonly method: "look" | "fetch";
  /** "ssu://host:port" */
  readonly url: string;
  /** The file, and the one with its signature. */
  readonly name: string;
  readonly signatureName: string;
  /** The byte that is missing first, of the content with that SHA-256. */
  readonly resume?: { readonly from: number; readonly of: string };
  /** "plain": anybody on the way can read and change what comes. */
  readonly security: "secure" | "plain";
  /** Certificates that the server's must lead to, PEM. Nothing else is trusted. */
  readonly ca: string;
  /** The name that its certificate must be for; that of the URL if not given. */
  readonly serverName?: string;
  readonly bodyMax: number;
}

/**
 * What a core of a gateway asks of the world outside, as data, and what comes back. hil/ carries it out while virtual time
 * stands still; the trace keeps both, so that a run can be replayed without the network.
 *
 * Each kind is one exchange with one server: `url` says which ("scheme://host:port", and what there), `method` what is
 * wanted, `bodyMax` how much of an answer is taken. Everything else is the kind's own.
 */
export type HostRequest = HttpRequest | RsuRequest | SrupRequest | SsuRequest;
export type HostKind = HostRequest["kind"];

/**
 * The answer to one request: `head`, any number of `body`, then `end`; or `failed` at any point, after which nothing
 * more comes. `status` has the meanings of HTTP in every kind (200 all of it, 204 there is nothing, 206 from the byte asked
 * for on, 404 no such thing), and `headers` what the server says of the content, names in lower case. Bodies come in pieces of exactly 65 536 bytes (the last one shorter), however the network cut them; a
 * piece that was not whole when the connection died is not handed over. So a run does not depend on the network's mood.
 */
export type HostAnswer =
  | { readonly type: "head"; readonly status: number; readonly headers: Readonly<Record<string, string>> }
  | { readonly type: "body"; readonly data: Uint8Array }
  | { readonly type: "end" }
  /** `code`: "HOST_REFUSED", "HOST_TIMEOUT", "HOST_RESET", "HOST_TLS_UNTRUSTED", "HOST_TLS", "HOST_PROTOCOL" (against the
   *  protocol), "HOST_BODY_TOO_LONG", "HOST_FAILED"; of rsu also "HOST_SILENT" (no answer, as the original rejects),
   *  "HOST_PEER" (the server says that it can't go on), "HOST_DEVICE_REFUSED" (it does not trust our certificate),
   *  "HOST_UNSUPPORTED" (no QUIC on this machine); of srup also
   *  "HOST_DIGEST" (the file is not the one that the server's message names). */
  | { readonly type: "failed"; readonly code: string; readonly reason: string };

/** Length of a whole piece of body, bytes. */
export const BODY_PIECE_LENGTH = 65_536;

/**
 * What of a request goes into the record: certificates and bodies do not, since they differ from run to run and say
 * nothing of the vehicle.
 */
export function recordedRequest(request: HostRequest): string {
  const { method, url } = request;
  if (request.kind === "http") return JSON.stringify({ method, url, headers: request.headers });
  if (request.kind === "srup") {
    const { join, signatures, resume, verdict } = request;
    return JSON.stringify({ method, url, join, signatures, resume, verdict });
  }
  if (request.kind === "ssu") {
    const { name, resume, security } = request;
    return JSON.stringify({ method, url, name, resume, security });
  }
  const { target, version, resume, wait } = request;
  return JSON.stringify({ method, url, target, version, resume, wait });
}
