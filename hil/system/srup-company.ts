import { LinkError } from "../../emulator/kernel/errors.ts";
import type { SrupRequest } from "../../gateway/source/host-request.ts";
import type { SettingsOf } from "../bench/source-schema.ts";
import { isLastAnswer } from "../link/host-driver.ts";
import { DeviceSession } from "../link/srup/device-session.ts";
import { SrupDriver } from "../link/srup/srup-driver.ts";
import type { SrupNetwork } from "../server/srup/srup-network.ts";
import type { ShownValues } from "./shown-values.ts";

const WAIT_MS = 60_000;
const BODY_MAX = 64 * 1024 * 1024;

/** Other devices of a vehicle's server. */
export interface Company {
  /** Identity of the device that confirms observed joins. */
  readonly observer: string | undefined;
  /** How many they are, the observer among them. */
  readonly size: number;
  /** @throws {LinkError} "SRUP_OTHER_DEVICE" when one of them did not get the update */
  close(): Promise<void>;
}

/** @param ca of the key service, PEM @throws {LinkError} when the observer can't join */
export async function startCompany(
  network: SrupNetwork,
  settings: SettingsOf<"srup">,
  shown: ShownValues,
  ca: string,
): Promise<Company> {
  const request = (device: string): SrupRequest => ({
    kind: "srup",
    method: "fetch",
    url: network.keyService.url.replace("127.0.0.1", "localhost"),
    device,
    join: "simple",
    ...(settings.signatures !== undefined && { signatures: settings.signatures }),
    identification: device,
    waitMs: WAIT_MS,
    patienceMs: WAIT_MS,
    ca,
    bodyMax: BODY_MAX,
  });
  const observer = settings.join === "observed" && settings.observer === undefined;
  const looking = observer ? new DeviceSession(request("observer"), { onObserve: looker(shown) }) : undefined;
  const came = await looking?.joined();
  if (came !== undefined && came !== "joined") throw new LinkError("SRUP_OTHER_DEVICE", "the observer can't join");
  const driver = new SrupDriver();
  const ends = Array.from({ length: settings.others }, (_, index) => fetched(driver, index, request(`other ${index}`)));
  return {
    observer: looking?.identity,
    size: settings.others + (looking === undefined ? 0 : 1),
    async close() {
      const failures = (await Promise.all(ends)).filter((failure) => failure !== undefined);
      await driver.close();
      await looking?.close();
      if (failures[0] !== undefined) throw new LinkError("SRUP_OTHER_DEVICE", failures[0]);
    },
  };
}

const looker = (shown: ShownValues) => async (device: string, value: string | undefined) =>
  value !== undefined && (await shown.isShown(device, value)) ? ("valid" as const) : ("invalid" as const);

/** @returns why it did not get the update */
async function fetched(driver: SrupDriver, id: number, request: SrupRequest): Promise<string | undefined> {
  driver.start(id, request);
  for (;;) {
    const answer = await driver.next(id);
    if (answer.type === "failed") return `${request.device}: ${answer.code}: ${answer.reason}`;
    if (answer.type === "head" && answer.status !== 200) return `${request.device}: there was no update for it`;
    if (isLastAnswer(answer)) return undefined;
  }
}
