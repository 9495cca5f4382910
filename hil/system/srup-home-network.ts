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

/**
 * Starts a home network and its syndication device, and begins syndication with the network of that server. The home
 * server then asks for an update of every device that it is told of. @param ca of the foreign key service, PEM
 * @param signatures of everybody at home, and of the device abroad
 * @throws {LinkError} "SRUP_SYNDICATION" when it does not come about
 */
export async function startHomeNetwork(
  foreign: SrupNetwork,
  shown: ShownValues,
  ca: string,
  signatures: SrupSignatures | undefined,
): Promise<HomeNetwork> {
  const begun = Promise.withResolvers<void>();
  const home = await SrupNetwork.start({
    operator: shown.operator("honest"),
    manual: true,
    signatures,
    onEvent: (event) => {
      if (event.type === "syndicatedDeviceCount") begun.resolve();
      else if (event.type === "syndicatedDevice") {
        const data = new TextEncoder().encode(event.device);
        home.server.push({ type: "syndicatedC2Request", data, reqId: UPDATE_REQUEST });
      } else if (event.type === "joinEnded" && event.outcome === "accept") {
        const url = foreign.keyService.url.replace("127.0.0.1", "localhost");
        home.server.push({ type: "syndicationInit", device: event.device, url, value: "bench" });
      }
    },
  });
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
