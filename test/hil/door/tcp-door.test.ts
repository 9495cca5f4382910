import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { World } from "../../../emulator/kernel/world.ts";
import { Doors } from "../../../hil/door/doors.ts";
import type { Session, Wire } from "../../../hil/door/session.ts";
import { openTcpDoor, type TcpDoor } from "../../../hil/door/tcp-door.ts";

const HOST = "127.0.0.1";
const CLIENTS_MAX = 64;
const open: { door?: TcpDoor; sockets: Socket[]; pump?: NodeJS.Timeout } = { sockets: [] };

afterEach(async () => {
  clearInterval(open.pump);
  for (const socket of open.sockets.splice(0)) socket.destroy();
  await open.door?.close();
});

/** A door whose sessions do as told with what comes in; inputs are handed in all the time. */
async function doorOf(received: (wire: Wire, data: Uint8Array) => void): Promise<Doors> {
  const doors = new Doors(new World());
  const session = (wire: Wire): Session => ({
    ready: true,
    received: (data) => received(wire, data),
    closed: () => {},
  });
  open.door = await openTcpDoor(doors, { host: HOST, port: 0, place: "can1", door: "slcan", open: session });
  open.pump = setInterval(() => {
    while (doors.deliver());
  }, 1);
  return doors;
}

async function client(allowHalfOpen = false): Promise<Socket> {
  const socket = connect({ host: HOST, port: (open.door as TcpDoor).port, allowHalfOpen });
  open.sockets.push(socket);
  socket.on("error", () => {});
  await once(socket, "connect");
  return socket;
}

const closed = (socket: Socket): Promise<void> => new Promise((resolve) => void socket.once("close", () => resolve()));

describe("a TCP door", () => {
  it("takes nothing more from a connection that it has ended, and cuts it off while that goes on sending", async () => {
    let taken = 0;
    await doorOf((wire, data) => {
      taken += data.length;
      wire.end();
    });
    const socket = await client(true);
    const chunk = new Uint8Array(16 * 1024);
    const flood = setInterval(() => socket.write(chunk), 1);
    await closed(socket);
    clearInterval(flood);
    expect(taken).toBeGreaterThan(0);
    expect(taken).toBeLessThan(256 * 1024);
  });

  it("serves so many at once, and turns away who comes then", async () => {
    const doors = await doorOf((wire, data) => wire.write(data));
    const sockets = [];
    for (let count = 0; count < CLIENTS_MAX; count++) sockets.push(await client());
    const late = await client();
    await closed(late);
    expect(doors.counts.get("TOO_MANY_CLIENTS")).toBe(1);
    const last = sockets.at(-1) as Socket;
    last.write("x");
    expect(String(((await once(last, "data")) as [Uint8Array])[0])).toBe("x");
    sockets[0]?.destroy();
    // whoever comes before the door has noticed is turned away too
    let answer: string | undefined;
    while (answer === undefined) {
      const next = await client();
      next.write("y");
      answer = await Promise.race([once(next, "data").then(String), closed(next).then(() => undefined)]);
    }
    expect(answer).toBe("y");
  });
});
