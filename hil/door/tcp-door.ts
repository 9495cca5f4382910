import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { LinkError } from "../../emulator/kernel/errors.ts";
import type { DoorKind, Doors, OpenSession } from "./doors.ts";
import type { Wire } from "./session.ts";

/** How many programs one port serves at once. */
const CLIENTS_MAX = 64;
/** A program that has sent so much more than was handed in is read no further, bytes. */
const BACKLOG_MAX = 64 * 1024;
/** What a program has not read yet; more than that is dropped, bytes. */
const UNREAD_MAX = 1024 * 1024;
/** So long a connection that has been ended here may take to end on the other side. */
const ENDING_MS = 1_000;

export interface TcpDoorOptions {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  /** What it leads to, for messages and the trace. */
  readonly place: string;
  readonly door: DoorKind;
  readonly open: OpenSession;
}

/** A TCP port at which programs outside are let in. */
export interface TcpDoor {
  readonly port: number;
  /** Cuts all connections, and ends when the port is free. */
  close(): Promise<void>;
}

/** @throws {LinkError} "DOOR_UNAVAILABLE" when the port can't be had */
export async function openTcpDoor(doors: Doors, options: TcpDoorOptions): Promise<TcpDoor> {
  const { host, port, place, door } = options;
  const sockets = new Set<Socket>();
  const server = createServer({ noDelay: true }, (socket) => {
    socket.on("error", () => {}); // "close" follows
    if (sockets.size >= CLIENTS_MAX) {
      doors.refuse(place, door, "TOO_MANY_CLIENTS", `over ${CLIENTS_MAX} at one port`);
      socket.destroy();
      return;
    }
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    admit(doors, socket, options);
  });
  await listen(server, host, port, `${door} of ${place}`);
  const address = server.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : port,
    async close() {
      const closed = once(server, "close");
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

async function listen(server: Server, host: string, port: number, what: string): Promise<void> {
  try {
    server.listen(port, host);
    await once(server, "listening");
  } catch (cause) {
    throw new LinkError("DOOR_UNAVAILABLE", `${what}: can't listen at ${host}:${port}: ${(cause as Error).message}`, {
      cause,
    });
  }
}

function admit(doors: Doors, socket: Socket, { place, door, open }: TcpDoorOptions): void {
  let ending: NodeJS.Timeout | undefined;
  const wire: Wire = {
    write(data) {
      if (socket.destroyed || socket.writableLength > UNREAD_MAX) return socket.destroyed;
      socket.write(data);
      return true;
    },
    end() {
      socket.end();
      // Whoever does not read what it was told, nor ends its side, is cut off, whatever it still sends.
      ending ??= setTimeout(() => socket.destroy(), ENDING_MS);
    },
  };
  const client = doors.connect(place, door, wire, open, () => socket.resume());
  socket.on("data", (data: Buffer) => {
    if (ending !== undefined) return;
    client.feed(new Uint8Array(data));
    if (client.backlog > BACKLOG_MAX) socket.pause();
  });
  socket.on("close", () => {
    clearTimeout(ending);
    client.gone();
  });
}
