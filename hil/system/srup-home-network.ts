import { LinkError } from "../../emulator/kernel/errors.ts";
import type { SrupSignatures } from "../../gateway/source/srup/key-text.ts";
import { registeredDevice } from "../link/srup/device-identity.ts";
import { KeyClient } from "../link/srup/key-client.ts";
import { SyndicationRunner } from "../link/srup/syndication-runner.ts";
import { StateFile } from "../record/state-file.ts";
import { UPDATE_REQUEST } from "../server/srup/c2-server.ts";
import { SrupNetwork } from "../server/srup/srup-network.ts";
import type { ShownValues } from "./shown-values.ts";

const PATIENCE_MS = 30_000;

/** A network at home, whose server commands the devices of a foreign one. */
export interface HomeNetwork {
  close(): Promise<void>;
}

interface HomeOptions {
  /** Of the foreign key service, PEM. */
  readonly ca: string;
  /** Of everybody at home, and of the device abroad. */
  readonly signatures: SrupSignatures | undefined;
  /** How many devices the foreign server is to have. */
  readonly expected: number;
}

/**
 * Starts a home network and its syndication device, and begins syndication with the network of that server. When the list
 * of its devices is long enough, and whole, the home server asks for an update of every one. Before that it keeps silent:
 * the two sides of a pair share one counter, and of messages that cross one is lost.
 * @throws {LinkError} "SRUP_SYNDICATION" when it does not come about
 */
export async function startHomeNetwork(
  foreign: SrupNetwork,
  shown: ShownValues,
  { ca, signatures, expected }: HomeOptions,
): Promise<HomeNetwork> {
  const begun = Promise.withResolvers<void>();
  let count = 0;
  let listed: readonly string[] = [];
  const home = await SrupNetwork.start({
    operator: shown.operator("honest"),
    manual: true,
    signatures,
    onEvent: (event) => {
      if (event.type === "syndicatedDeviceCount") {
        ({ count } = event);
        listed = [];
        begun.resolve();
      } else if (event.type === "syndicatedDevice") {
        listed = [...listed, event.device];
        if (listed.length === count && count >= expected) requestUpdates();
      } else if (event.type === "joinEnded" && event.outcome === "accept") {
        const url = foreign.keyService.url.replace("127.0.0.1", "localhost");
        home.server.push({ type: "syndicationInit", device: event.device, url, value: "bench" });
      }
    },
  });
  const requestUpdates = (): void => {
    for (const device of listed) {
      const data = new TextEncoder().encode(device);
      home.server.push({ type: "syndicatedC2Request", data, reqId: UPDATE_REQUEST });
    }
  };
  const keys = new KeyClient(home.keyService.url, "");
  const device = await registeredDevice(new StateFile(), keys, "default", { signatures });
  const runner = new SyndicationRunner({
    home: device,
    keys,
    ca,
    signatures,
    said: (side, output, identity) => {
      if (side === "away" && output.type === "joinValue") shown.show(identity, output.value);
    },
    failed: (reason) => begun.reject(new LinkError("SRUP_SYNDICATION", reason)),
  });
  runner.push("home", { type: "join", kind: "simple" });
  const timer = setTimeout(() => begun.reject(new LinkError("SRUP_SYNDICATION", "no answer in time")), PATIENCE_MS);
  await begun.promise.finally(() => clearTimeout(timer));
  return {
    async close() {
      await runner.close();
      await home.close();
    },
  };
}
