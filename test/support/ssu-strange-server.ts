import { AppError, encodeFrame } from "../../gateway/source/ssu/app-frames.ts";
import type { SsuIdentity } from "../../gateway/source/ssu/credentials.ts";
import { SsuListener } from "../../gateway/source/ssu/listener.ts";
import { ssuConfig } from "../../gateway/source/ssu/ssu-config.ts";
import { nodeSsuCrypto } from "../../hil/crypto/ssu-crypto.ts";
import { UdpSocket, wallInstant } from "../../hil/link/udp-socket.ts";

const REFUSAL = encodeFrame({ type: "error", code: AppError.Version, reason: "version 7 is spoken here" });

/**
 * A server whose streams are in order, and that says the same to everybody, whatever is asked, and ends.
 * @param answer that its applications are of another version, if not given; none: it says nothing, reads nothing, and does not end
 */
export async function startStrangeSsuServer(
  identity: SsuIdentity,
  answer: Uint8Array | "none" = REFUSAL,
): Promise<{ port: number; close(): void }> {
  const config = ssuConfig({ maxDatagram: 16_384 });
  const listener = new SsuListener({ config, crypto: nodeSsuCrypto(), accepts: "secure", identity });
  const told = new Set<number>();
  const socket = await UdpSocket.bind("127.0.0.1", 0, (data, from) => {
    listener.handle({ type: "datagram", data, from }, wallInstant());
    for (let output = listener.poll(); output !== undefined; output = listener.poll()) {
      if (output.type === "datagram") socket.send(output.data, output.to);
      if (output.type !== "session" || output.output.type !== "data") continue;
      const { session } = output;
      if (told.has(session)) continue;
      told.add(session);
      if (answer === "none") {
        listener.handle({ type: "session", session, input: { type: "pause" } }, wallInstant());
        continue;
      }
      listener.handle({ type: "session", session, input: { type: "write", data: answer } }, wallInstant());
      listener.handle({ type: "session", session, input: { type: "end" } }, wallInstant());
    }
  });
  return { port: socket.port, close: () => socket.close() };
}
