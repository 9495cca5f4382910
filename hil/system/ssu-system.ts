import { UsageError } from "../../emulator/kernel/errors.ts";
import { isFileName } from "../../gateway/source/ssu/file-name.ts";
import { SsuSource } from "../../gateway/source/ssu/ssu-source.ts";
import type { SettingsOf } from "../bench/source-schema.ts";
import { ssuIdentity } from "../crypto/ssu-credentials.ts";
import type { ServerFault } from "../server/server-faults.ts";
import { PublishedStore } from "../server/ssu/published-store.ts";
import { startSsuServer } from "../server/ssu/ssu-server.ts";
import { originOf } from "./origin.ts";
import type { Publication, UpdateSystem } from "./update-system.ts";

/** Firmware as a file behind a secure stream on UDP. @throws {UsageError} for a server that is no ssu://HOST:PORT */
export function ssuSystem(settings: SettingsOf<"ssu">): UpdateSystem {
  const { file: name, serverName, security, signatureFile = `${name}.sig` } = settings;
  const server = originOf(settings.server, "ssu:");
  return {
    name: "ssu",
    server,
    peer: `${server}/${name}`,
    makeSource: ({ ca, sizeMax }) =>
      new SsuSource({
        server,
        ca,
        name,
        signatureName: signatureFile,
        security,
        ...(serverName !== undefined && { serverName }),
        ...(sizeMax !== undefined && { sizeMax }),
      }),
    async startServer({ certificate, privateKey, faults = [], host, port, onEvent }) {
      const store = new PublishedStore();
      const running = await startSsuServer({
        store,
        accepts: security,
        identity: ssuIdentity(certificate, privateKey),
        uploadMax: 0,
        chat: false,
        ...(host !== undefined && { host }),
        ...(port !== undefined && { port }),
        onEvent: (event) => onEvent?.(JSON.stringify(event)),
      });
      const setFaults = (now: readonly ServerFault[]): void => {
        store.setFaults(now);
        running.isGone = now.some((fault) => fault.name === "gone");
        running.losesOneIn = now.find((fault) => fault.name === "loseDatagrams")?.oneIn;
      };
      setFaults(faults);
      return {
        port: running.port,
        publish({ name: other, file, signature }: Publication) {
          const called = other ?? name;
          if (!isFileName(called)) throw new UsageError(`"${called}" is no name for a file on this server`);
          const beside = called === name ? signatureFile : `${called}.sig`;
          store.publish(called, file);
          if (signature === undefined) store.withdraw(beside);
          else store.publish(beside, signature);
        },
        setFaults,
        retransmissions: () => running.resent,
        close: async () => running.close(),
      };
    },
  };
}
