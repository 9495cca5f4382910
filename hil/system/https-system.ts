import { HttpsSource } from "../../gateway/source/https/https-source.ts";
import type { SettingsOf } from "../bench/source-schema.ts";
import { startHttpsServer } from "../server/https/https-server.ts";
import { originOf } from "./origin.ts";
import type { Publication, UpdateSystem } from "./update-system.ts";

const KIB = 1024;

/** Firmware as a file on an HTTPS server. @throws {UsageError} for a server that is no https://HOST:PORT */
export function httpsSystem(settings: SettingsOf<"https">): UpdateSystem {
  const { path, tlsMin, windowKiB, signaturePath = `${path}.sig` } = settings;
  const server = originOf(settings.server, "https:");
  return {
    name: "https",
    server,
    peer: server + path,
    makeSource: ({ ca, sizeMax }) =>
      new HttpsSource({
        baseUrl: server,
        ca,
        path,
        signaturePath,
        tlsMin,
        ...(windowKiB !== undefined && { window: windowKiB * KIB }),
        ...(sizeMax !== undefined && { sizeMax }),
      }),
    async startServer({ onEvent, ...options }) {
      const running = await startHttpsServer({
        ...options,
        tlsMin,
        onEvent: (event) => onEvent?.(JSON.stringify(event)),
      });
      return {
        port: running.port,
        publish({ name = path, file, signature, builtAt }: Publication) {
          running.publish(name, file, builtAt);
          const beside = name === path ? signaturePath : `${name}.sig`;
          if (signature === undefined) running.withdraw(beside);
          else running.publish(beside, signature, builtAt);
        },
        setFaults: (faults) => running.setFaults(faults),
        close: () => running.close(),
      };
    },
  };
}
