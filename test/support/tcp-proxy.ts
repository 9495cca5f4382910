import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/** Somebody between two peers. */
export interface TcpProxy {
  readonly port: number;
  /** Bytes on their way to the server, as they are to go on; a copy may be changed. `count`: bytes of this connection before. */
  toServer: (data: Buffer, count: number) => Buffer;
  toClient: (data: Buffer, count: number) => Buffer;
  close(): Promise<void>;
}

export async function startTcpProxy(serverPort: number): Promise<TcpProxy> {
  const sockets = new Set<Socket>();
  const join = (from: Socket, to: Socket, change: () => TcpProxy["toServer"]): void => {
    let count = 0;
    sockets.add(from);
    from.on("data", (data) => {
      to.write(change()(Buffer.from(data), count));
      count += data.length;
    });
    from.on("error", () => {});
    from.on("end", () => to.end());
    from.on("close", () => {
      sockets.delete(from);
      to.destroy();
    });
  };
  const listener = createServer((client) => {
    const server = connect(serverPort, "127.0.0.1");
    join(client, server, () => proxy.toServer);
    join(server, client, () => proxy.toClient);
  });
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  const proxy: TcpProxy = {
    port: (listener.address() as AddressInfo).port,
    toServer: (data) => data,
    toClient: (data) => data,
    async close() {
      const closed = once(listener, "close");
      listener.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
  return proxy;
}
