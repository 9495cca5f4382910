/** One HTTP request, for a server of the https system. */
export interface HttpRequest {
  readonly kind: "http";
  readonly method: "GET" | "HEAD" | "POST";
  /** An https URL. */
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

/**
 * What a core of a gateway asks of the world outside, as data, and what comes back. hil/ carries it out while virtual time
 * stands still; the trace keeps both, so that a run can be replayed without the network.
 *
 * Each kind is one exchange with one server: `url` says which ("scheme://host:port", and what there), `method` what is
 * wanted, `bodyMax` how much of an answer is taken. Everything else is the kind's own.
 */
export type HostRequest = HttpRequest;
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
  /** `code`: "HOST_REFUSED", "HOST_TIMEOUT", "HOST_RESET", "HOST_TLS_UNTRUSTED", "HOST_TLS", "HOST_PROTOCOL", "HOST_BODY_TOO_LONG", "HOST_FAILED". */
  | { readonly type: "failed"; readonly code: string; readonly reason: string };

/** Length of a whole piece of body, bytes. */
export const BODY_PIECE_LENGTH = 65_536;

/**
 * What of a request goes into the record: certificates and bodies do not, since they differ from run to run and say
 * nothing of the vehicle.
 */
export function recordedRequest(request: HostRequest): string {
  const { method, url, headers } = request;
  return JSON.stringify({ method, url, headers });
}
