import { createPublicKey, type KeyObject } from "node:crypto";
import type { SrupDevice } from "../../../../gateway/source/srup/device.ts";
import type { SrupDeviceConfig } from "../../../../gateway/source/srup/device-io.ts";
import type { SrupServer } from "../../../../gateway/source/srup/server.ts";
import { seededEd25519Key, seededMlDsa65Key } from "../../../../hil/crypto/seeded-keys.ts";
import { DEVICE, makeDevice, makeServer, Network, OBSERVER, SERVER } from "./pair.ts";
import { pemOf } from "./vectors.ts";

export type Algorithm = "ed25519" | "ml-dsa-65";
export const ALGORITHMS: readonly Algorithm[] = ["ed25519", "ml-dsa-65"];
/** Of signatures, bytes. */
export const LENGTHS: Readonly<Record<Algorithm, number>> = { ed25519: 64, "ml-dsa-65": 3309 };

const NAMES: Readonly<Record<string, string>> = { [SERVER]: "server", [DEVICE]: "device", [OBSERVER]: "observer" };
const SEEDED = { ed25519: seededEd25519Key, "ml-dsa-65": seededMlDsa65Key } as const;

/** The key that a party of the vectors signs with under version 6. @param label another one for another label */
export const signingKeyOf = (peer: string, algorithm: Algorithm, label = ""): KeyObject =>
  SEEDED[algorithm]("srup version 6", `${peer}${label}`);

const publicPem = (key: KeyObject): string => createPublicKey(key).export({ format: "pem", type: "spki" }) as string;
const privatePem = (key: KeyObject): string => key.export({ format: "pem", type: "pkcs8" }) as string;

/** The original's RSA key with ours behind it. */
export const privateText = (peer: string, algorithm: Algorithm): string =>
  `${pemOf(`keys/${NAMES[peer]}.pem`)}${privatePem(signingKeyOf(peer, algorithm))}`;

export const publicText = (peer: string, algorithm: Algorithm, label?: string): string =>
  `${pemOf(`keys/${NAMES[peer]}.pub.pem`)}${publicPem(signingKeyOf(peer, algorithm, label))}`;

export const keysOf = (algorithm: Algorithm): Record<string, string> =>
  Object.fromEntries([SERVER, DEVICE, OBSERVER].map((peer) => [peer, publicText(peer, algorithm)]));

export const device6 = (algorithm: Algorithm, config: Partial<SrupDeviceConfig> = {}, identity = DEVICE): SrupDevice =>
  makeDevice(identity, { privateKey: privateText(identity, algorithm), ...config });

export const server6 = (algorithm: Algorithm, config: Parameters<typeof makeServer>[0] = {}): SrupServer =>
  makeServer({ privateKey: privateText(SERVER, algorithm), ...config });

/** A network whose parties have algorithms of their own. */
export function network6(
  ofServer: Algorithm,
  ofDevice = ofServer,
  server = server6(ofServer),
  devices: Readonly<Record<string, SrupDevice>> = { [DEVICE]: device6(ofDevice) },
): Network {
  const network = new Network(server, devices);
  network.keys = { ...keysOf(ofDevice), [SERVER]: publicText(SERVER, ofServer) };
  return network;
}
