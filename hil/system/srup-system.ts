import { SrupSource } from "../../gateway/source/srup/srup-source.ts";
import type { SettingsOf } from "../bench/source-schema.ts";
import { CompositeDriver } from "../link/composite-driver.ts";
import { SrupDriver } from "../link/srup/srup-driver.ts";
import { eventText } from "../server/srup/c2-server.ts";
import { SrupNetwork } from "../server/srup/srup-network.ts";
import { originOf } from "./origin.ts";
import { ShownValues } from "./shown-values.ts";
import { startCompany } from "./srup-company.ts";
import { startHomeNetwork } from "./srup-home-network.ts";
import type { UpdateSystem } from "./update-system.ts";

/** Time for a foreign device to say something after its join, before it is sent anything; our own need none. */
const SETTLE_MS = 0;

/** Firmware that a SRUP server has devices fetch. @throws {UsageError} for a server that is no http(s)://HOST:PORT */
export function srupSystem(settings: SettingsOf<"srup">): UpdateSystem {
  const scheme = settings.server.startsWith("http:") ? "http:" : "https:";
  const server = originOf(settings.server, scheme);
  const { join, waitS, patienceS, state, signatures, operator: mood } = settings;
  let observer = settings.observer;
  const shown = new ShownValues();
  let trusted = "";
  return {
    name: "srup",
    server,
    peer: server,
    makeDriver: (onShow) =>
      new CompositeDriver({
        srup: () =>
          new SrupDriver({
            onJoinValue: (device, value) => {
              shown.show(device, value);
              onShow?.(value);
            },
            observer: () => observer,
          }),
      }),
    makeSource({ ca, sizeMax }) {
      trusted = ca;
      return new SrupSource({
        server,
        ca,
        join,
        waitMs: waitS * 1_000,
        patienceMs: patienceS * 1_000,
        ...(state !== undefined && { state }),
        ...(signatures !== undefined && { signatures }),
        ...(observer !== undefined && { observer }),
        ...(sizeMax !== undefined && { sizeMax }),
      });
    },
    async startServer({ certificate, privateKey, host, port, faults, state: folder, onEvent }) {
      const network = await SrupNetwork.start({
        operator: shown.operator(mood),
        settleMs: SETTLE_MS,
        manual: settings.syndicated,
        signatures,
        ...(scheme === "https:" && { tls: { certificate, privateKey } }),
        ...(host !== undefined && { host }),
        ...(port !== undefined && { port }),
        ...(folder !== undefined && { state: folder }),
        ...(faults !== undefined && { faults }),
        ...(onEvent !== undefined && { onEvent: (event) => onEvent(eventText(event)) }),
      });
      const company = await startCompany(network, settings, shown, trusted);
      observer = settings.observer ?? company.observer;
      const around = { ca: trusted, signatures, expected: 1 + company.size };
      const home = settings.syndicated ? await startHomeNetwork(network, shown, around) : undefined;
      return {
        port: network.keyService.port,
        publish({ file, signature }) {
          network.publish(file, signature);
        },
        setFaults: (set) => network.setFaults(set),
        async close() {
          await home?.close();
          await company.close();
          await network.close();
        },
      };
    },
  };
}
