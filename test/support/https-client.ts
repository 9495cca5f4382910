import type { IncomingHttpHeaders } from "node:http";
import { request } from "node:https";
import type { TLSSocket } from "node:tls";
import { makeTls, type TlsMaterial } from "../../hil/crypto/keys.ts";

let made: TlsMaterial | undefined;

/** Certificates for servers of tests. */
export function testTls(): TlsMaterial {
  made ??= makeTls("tests");
  return made;
}

export interface Got {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Uint8Array;
  /** The whole answer came. */
  readonly complete: boolean;
  readonly tls: string;
}

/** A request by plain node:https, to judge our server with what is not ours. Rejects when there is no answer at all. */
export function get(url: string, headers: Record<string, string> = {}, method = "GET", tls: object = {}): Promise<Got> {
  const { promise, resolve, reject } = Promise.withResolvers<Got>();
  const options = { method, headers, agent: false as const, ca: testTls().ca, ...tls };
  const outgoing = request(url, options, (incoming) => {
    const chunks: Uint8Array[] = [];
    const socket = incoming.socket as TLSSocket;
    const version = `${socket.getProtocol()} ${socket.getCipher().name}`;
    const done = () =>
      resolve({
        status: incoming.statusCode ?? 0,
        headers: incoming.headers,
        body: new Uint8Array(Buffer.concat(chunks)),
        complete: incoming.complete,
        tls: version,
      });
    incoming.on("data", (chunk: Uint8Array) => chunks.push(chunk));
    incoming.on("end", done);
    incoming.on("error", done);
  });
  outgoing.on("error", reject);
  outgoing.end();
  return promise;
}
