import { createSocket, type RemoteInfo } from "node:dgram";
import { once } from "node:events";

export interface UdpProxy {
  readonly port: number;
  /** Lengths of what came from the server, in order. */
  readonly fromServer: number[];
  /** To the server, as if the client had sent it. */
  sendToServer(data: Uint8Array): void;
  close(): Promise<void>;
}

/** Called for each datagram instead of handing it on; `toClient` and `toServer` send whatever there is to send. */
export type Meddler = (
  from: "client" | "server",
  data: Buffer,
  send: { toClient: (data: Uint8Array) => void; toServer: (data: Uint8Array) => void },
) => void;

/** Between one client and a server on 127.0.0.1: sees what goes from one to the other in one datagram. */
export async function startUdpProxy(serverPort: number, meddle?: Meddler): Promise<UdpProxy> {
  const front = createSocket("udp4");
  const back = createSocket("udp4");
  const fromServer: number[] = [];
  let client: RemoteInfo | undefined;
  let isClosed = false;
  const toServer = (data: Uint8Array): void => {
    if (!isClosed) back.send(data, serverPort, "127.0.0.1");
  };
  const toClient = (data: Uint8Array): void => {
    if (!isClosed && client !== undefined) front.send(data, client.port, client.address);
  };
  front.on("message", (data, from) => {
    client = from;
    if (meddle === undefined) toServer(data);
    else meddle("client", data, { toClient, toServer });
  });
  back.on("message", (data) => {
    fromServer.push(data.length);
    if (meddle === undefined) toClient(data);
    else meddle("server", data, { toClient, toServer });
  });
  for (const socket of [front, back]) {
    socket.bind(0, "127.0.0.1");
    await once(socket, "listening");
  }
  return {
    port: front.address().port,
    fromServer,
    sendToServer: toServer,
    async close() {
      isClosed = true;
      front.close();
      back.close();
    },
  };
}
