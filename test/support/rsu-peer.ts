import {
  connectQuic,
  createQuicServer,
  type QuicClientSession,
  type QuicServer,
  type QuicServerSession,
  type QuicStream,
} from "@currentspace/http3";
import { testTls } from "./https-client.ts";

// What the peers here know of RSU they know from its description, and nothing from our code.
const RUNTIME = { runtimeMode: "portable" } as const;
const ALPN = "rsu-protocol";

export interface OldPdu {
  readonly mtype: number;
  readonly payload: string;
  readonly protocol_ver?: string;
  readonly firmware_ver?: string;
  readonly size?: number;
}

/** As Python's json.dumps writes it. */
export function oldPdu(mtype: number, data: Uint8Array, protocol = "", firmware = ""): Buffer {
  const payload = Buffer.from(data).toString("base64");
  return Buffer.from(
    `{"mtype": ${mtype}, "payload": "${payload}", "protocol_ver": "${protocol}", "firmware_ver": "${firmware}", "size": ${payload.length}}`,
  );
}

/** What the original accepts: one whole object an event, with no key that it does not know. Throws otherwise. */
export function parseOld(event: Uint8Array): OldPdu {
  const pdu = JSON.parse(Buffer.from(event).toString("utf8")) as OldPdu;
  const known = ["mtype", "payload", "protocol_ver", "firmware_ver", "size"];
  const foreign = Object.keys(pdu).find((key) => !known.includes(key));
  if (foreign !== undefined) throw new TypeError(`unexpected keyword argument '${foreign}'`);
  return pdu;
}

export interface OldClientResult {
  readonly firmware: Buffer;
  readonly events: readonly Buffer[];
  /** Why it died; undefined when it went well. */
  readonly error: string | undefined;
  readonly ack: OldPdu | undefined;
}

export function connectOld(port: number, options: object = {}): QuicClientSession {
  const session = connectQuic(
    { address: "127.0.0.1", port, servername: "localhost" },
    { ...RUNTIME, alpn: [ALPN], ca: testTls().ca, connectTimeoutMs: 5_000, ...options },
  );
  session.on("error", () => {});
  return session;
}

/**
 * A client that behaves as the original does: all events of the connection go through one queue, each must be one whole
 * PDU, and an empty event kills it too. (The library hands over what one packet brought as one event, mostly.)
 * @param splits it cuts events into PDUs, where that is not what is looked at @param quic options of the library
 */
export async function oldClient(
  port: number,
  versions = { protocol: "2.0.0", firmware: "1.0.0" },
  { splits = false, quic = {} }: { splits?: boolean; quic?: object } = {},
): Promise<OldClientResult> {
  const session = connectOld(port, quic);
  const { promise, resolve } = Promise.withResolvers<OldClientResult>();
  const parts: Buffer[] = [];
  const events: Buffer[] = [];
  let state: "version" | "receiving" | "done" = "version";
  let ack: OldPdu | undefined;
  const end = (error?: string): void => {
    state = "done";
    resolve({ firmware: Buffer.concat(parts), events, error, ack });
  };
  let held = "";
  const pieces = (stream: QuicStream, data: Buffer): void => {
    if (!splits) {
      event(stream, data);
      return;
    }
    // no payload has a brace in it, and no object one inside of it: "}" ends a PDU of ours
    const parts = (held + data.toString("utf8")).split("}");
    held = parts.pop() ?? "";
    for (const part of parts) event(stream, Buffer.from(`${part}}`));
  };
  const event = (stream: QuicStream, data: Buffer): void => {
    if (state === "done") return;
    events.push(data);
    try {
      const pdu = parseOld(data);
      if (state === "version") {
        if (pdu.mtype !== 1) throw new Error(`AttributeError on ${pdu.mtype}`);
        ack = pdu;
        state = "receiving";
        stream.end(oldPdu(2, Buffer.alloc(0)));
      } else {
        parts.push(Buffer.from(pdu.payload, "base64")); // whatever its type is
        if (pdu.mtype === 7) {
          state = "done";
          stream.end(oldPdu(5, Buffer.from("All data received")));
          setTimeout(end, 50);
        }
      }
    } catch (cause) {
      end(String(cause));
    }
  };
  const listen = (stream: QuicStream): void => {
    stream.on("data", (data: Buffer) => pieces(stream, data));
    stream.on("end", () => splits || event(stream, Buffer.alloc(0)));
    stream.on("error", () => {});
  };
  try {
    await session.ready();
    session.on("stream", listen);
    session.on("close", () => {
      if (state !== "done") end("ConnectionError");
    });
    const request = session.openStream();
    listen(request);
    request.write(oldPdu(0, Buffer.alloc(0), versions.protocol, versions.firmware));
    return await promise;
  } finally {
    state = "done";
    await session.close(0, "");
  }
}

export interface OldServer {
  readonly port: number;
  /** Every event that came, by stream. */
  readonly heard: { readonly stream: number; readonly data: Buffer }[];
  close(): Promise<void>;
}

interface OldServerOptions {
  readonly firmware: Uint8Array;
  readonly protocol?: string;
  readonly version?: string;
  /** Called instead of the answer to a version exchange. */
  readonly onVersion?: (stream: QuicStream, session: QuicServerSession) => void;
  /** Called instead of sending the segments. */
  readonly onRequest?: (data: QuicStream, segments: Buffer[]) => void;
  readonly quic?: object;
}

/**
 * A server that behaves as the original does: VERSION_ACK with FIN, 512 bytes in a segment, back to back; an event that
 * is not one whole PDU, or a version that it does not take, gets no answer at all.
 */
export async function startOldServer(options: OldServerOptions): Promise<OldServer> {
  const { certificate, privateKey } = testTls();
  const { firmware, protocol = "2.0.0", version = "2.1.0" } = options;
  const heard: OldServer["heard"] = [];
  const server: QuicServer = createQuicServer({
    ...RUNTIME,
    cert: certificate,
    key: privateKey,
    alpn: [ALPN],
    ...options.quic,
  });
  server.on("error", () => {});
  /** As strings, as the original compares them. */
  const accepts = (pdu: OldPdu): boolean => (pdu.protocol_ver ?? "") <= protocol && (pdu.firmware_ver ?? "") < version;
  const send = (session: QuicServerSession): void => {
    const out = session.openStream();
    out.on("data", (back: Buffer) => heard.push({ stream: out.id, data: back }));
    out.on("error", () => {});
    const segments = segmentsOf(firmware);
    if (options.onRequest !== undefined) options.onRequest(out, segments);
    else {
      for (const each of segments.slice(0, -1)) out.write(each);
      out.end(segments.at(-1));
    }
  };
  const answer = (session: QuicServerSession, stream: QuicStream, data: Buffer): void => {
    heard.push({ stream: stream.id, data });
    const pdu = tryParse(data);
    if (pdu?.mtype === 2) send(session);
    if (pdu?.mtype !== 0) return; // what is no PDU kills its task
    if (options.onVersion !== undefined) options.onVersion(stream, session);
    else if (accepts(pdu)) stream.end(oldPdu(1, Buffer.alloc(0), protocol, version));
  };
  server.on("session", (session) => {
    session.on("error", () => {});
    session.on("stream", (stream: QuicStream) => {
      stream.on("error", () => {});
      stream.on("data", (data: Buffer) => answer(session, stream, data));
    });
  });
  const { port } = await server.listen(0, "127.0.0.1");
  return { port, heard, close: () => server.close() };
}

export function segmentsOf(firmware: Uint8Array, length = 512): Buffer[] {
  const count = Math.max(1, Math.ceil(firmware.length / length));
  return Array.from({ length: count }, (_, index) =>
    oldPdu(index === count - 1 ? 7 : 6, firmware.subarray(index * length, (index + 1) * length)),
  );
}

function tryParse(event: Uint8Array): OldPdu | undefined {
  try {
    return parseOld(event);
  } catch {
    return undefined;
  }
}
