import { createSocket, type Socket } from "node:dgram";
import { lookup } from "node:dns/promises";
import { once } from "node:events";
import { LinkError } from "../../emulator/kernel/errors.ts";
import { encodeDoip } from "../../emulator/wire/doip.ts";
import { announcement, answerIdentification, type DoipIdentity } from "../../gateway/doip/identification.ts";

/** A_DoIP_Announce_Num and A_DoIP_Announce_Interval. (ISO 13400-2:2019, Table 48) */
const ANNOUNCEMENTS = 3;
const ANNOUNCE_INTERVAL_MS = 500;

export interface IdentificationOptions {
  readonly host: string;
  readonly port: number;
  readonly identity: DoipIdentity;
  /** Whether the entity has power; without it nothing is answered. */
  readonly powered: () => boolean;
  /** To whom it announces itself at its start; nobody if left out. */
  readonly announceTo?: { readonly host: string; readonly port: number };
}

/** The UDP port of a DoIP entity: vehicle identification. Nothing that happens here changes the vehicle. */
export interface IdentificationDoor {
  close(): Promise<void>;
}

/** @throws {LinkError} "DOOR_UNAVAILABLE" when the port can't be had */
export async function openIdentificationDoor(options: IdentificationOptions): Promise<IdentificationDoor> {
  const { host, port, identity, powered, announceTo } = options;
  if (announceTo !== undefined) await find(announceTo.host);
  const socket = createSocket({ type: host.includes(":") ? "udp6" : "udp4" });
  try {
    socket.bind(port, host);
    await once(socket, "listening");
  } catch (cause) {
    const why = (cause as Error).message;
    throw new LinkError("DOOR_UNAVAILABLE", `doip: can't have UDP port ${port} of ${host}: ${why}`, { cause });
  }
  socket.on("error", () => {}); // an answer that nobody takes
  socket.on("message", (datagram, from) => {
    const answer = powered() ? answerIdentification(new Uint8Array(datagram), identity) : undefined;
    if (answer !== undefined) socket.send(answer, from.port, from.address);
  });
  const stop = announce(socket, options);
  return {
    async close() {
      stop();
      const closed = once(socket, "close");
      socket.close();
      await closed;
    },
  };
}

async function find(host: string): Promise<void> {
  try {
    await lookup(host);
  } catch (cause) {
    throw new LinkError("DOOR_UNAVAILABLE", `doip: nobody to announce to: ${(cause as Error).message}`, { cause });
  }
}

function announce(socket: Socket, { identity, powered, announceTo }: IdentificationOptions): () => void {
  if (announceTo === undefined) return () => {};
  socket.setBroadcast(true);
  let left = ANNOUNCEMENTS;
  const timer = setInterval(() => {
    if (powered()) socket.send(encodeDoip(announcement(identity)), announceTo.port, announceTo.host);
    left--;
    if (left === 0) clearInterval(timer);
  }, ANNOUNCE_INTERVAL_MS);
  return () => clearInterval(timer);
}
