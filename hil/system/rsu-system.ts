import { RsuSource } from "../../gateway/source/rsu/rsu-source.ts";
import type { SettingsOf } from "../bench/source-schema.ts";
import { startRsuServer } from "../server/rsu/rsu-server.ts";
import { originOf } from "./origin.ts";
import type { UpdateSystem } from "./update-system.ts";

/** What firmware is called that has no name. */
const DEFAULT_TARGET = "firmware";

/** Firmware over RSU, that is QUIC. @throws {UsageError} for a server that is no rsu://HOST:PORT */
export function rsuSystem(settings: SettingsOf<"rsu">): UpdateSystem {
  const { target, serverName, waitS: wait } = settings;
  const server = originOf(settings.server, "rsu:");
  return {
    name: "rsu",
    server,
    peer: target === undefined ? server : `${server}/${target}`,
    makeSource: ({ ca, identity, sizeMax }) =>
      new RsuSource({
        server,
        ca,
        ...(serverName !== undefined && { serverName }),
        ...(identity !== undefined && { identity }),
        ...(target !== undefined && { target }),
        ...(wait !== undefined && { wait }),
        ...(sizeMax !== undefined && { sizeMax }),
      }),
    async startServer({ onEvent, ...options }) {
      const running = await startRsuServer({ ...options, onEvent: (event) => onEvent?.(JSON.stringify(event)) });
      return {
        port: running.port,
        publish({ name = target ?? DEFAULT_TARGET, file, version, signature }) {
          running.publish(name, { version, data: file, ...(signature !== undefined && { signature }) });
        },
        setFaults: (faults) => running.setFaults(faults),
        close: () => running.close(),
      };
    },
  };
}
