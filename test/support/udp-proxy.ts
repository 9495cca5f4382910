import { createSocket, type RemoteInfo } from "node:dgram";
import { once } from "node:events";

export interface UdpProxy {
  readonly port: number;
  /** Lengths of what came from the server, in order. */
  readonly fromServer: number[];
  close(): Promise<void>;
}

/** Between one client and a server on 127.0.0.1: sees what goes from one to the other in one datagram. */
export async function startUdpProxy(serverPort: number): Promise<UdpProxy> {
  const front = createSocket("udp4");
  const back = createSocket("udp4");
  const fromServer: number[] = [];
  let client: RemoteInfo | undefined;
  front.on("message", (data, from) => {
    client = from;
    back.send(data, serverPort, "127.0.0.1");
  });
  back.on("message", (data) => {
    fromServer.push(data.length);
    if (client !== undefined) front.send(data, client.port, client.address);
  });
  for (const socket of [front, back]) {
    socket.bind(0, "127.0.0.1");
    await once(socket, "listening");
  }
  return {
    port: front.address().port,
    fromServer,
    async close() {
      front.close();
      back.close();
    },
  };
}
