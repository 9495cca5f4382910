import { dirname, resolve } from "node:path";
import { type Instant, ms, plus, s } from "../../emulator/kernel/time.ts";
import type { WorldSnapshot } from "../../emulator/kernel/world.ts";
import type { CampaignResult } from "../../gateway/campaign/campaign-io.ts";
import type { DetachedSignature } from "../../gateway/source/update-source.ts";
import { buildBench } from "../bench/build-bench.ts";
import { HostGate } from "../bench/host-gate.ts";
import { provisionEcus } from "../bench/provision.ts";
import type { Vehicle } from "../bench/vehicle-file.ts";
import { VirtualClock } from "../clock/virtual-clock.ts";
import { inflate } from "../crypto/inflate.ts";
import { type ImageKeys, imagePublicKeys } from "../crypto/keys.ts";
import { nodeCrypto } from "../crypto/node-crypto.ts";
import { makeDriver } from "./drivers.ts";
import { FileSource } from "./file-source.ts";

export interface InstallOptions {
  /** Path of the vehicle file: relative paths of firmware begin there. */
  readonly path: string;
  readonly vehicle: Vehicle;
  readonly seed: string;
  /** Sign the vehicle's factory software. */
  readonly keys: ImageKeys;
  /** Who may sign packages, SubjectPublicKeyInfo, DER. */
  readonly signer: Uint8Array;
  readonly file: Uint8Array;
  readonly signature: DetachedSignature | undefined;
  /** Whom an image without a package is for. */
  readonly rawEcu?: string;
  /** The vehicle as an earlier installation left it; it comes from the factory, if left out. */
  readonly memory?: VehicleMemory;
}

/** All that a virtual vehicle is between two installations, as plain data. */
export type VehicleMemory = Omit<WorldSnapshot, "trace">;

interface Installed {
  readonly result: CampaignResult;
  readonly memory: VehicleMemory;
}

const POWER_ON = ms(1_000);
const SETTLE = s(10);
const LIMIT = s(3_600);
const SIZE_MAX = 64 * 1024 * 1024;

/**
 * Installs a file in a virtual vehicle.
 * @throws {UsageError} when the memory is that of another vehicle
 */
export async function installFile(options: InstallOptions): Promise<Installed> {
  const { vehicle, path, seed, keys, signer, file, signature, rawEcu, memory } = options;
  const results: CampaignResult[] = [];
  const gate = new HostGate(makeDriver(), new Map(), () => {});
  const bench = buildBench(vehicle, {
    seed,
    tools: { crypto: nodeCrypto, inflate },
    imageKeys: imagePublicKeys(keys),
    policy: {
      trusted: [{ algorithm: "RSA-PKCS1-SHA256", publicKey: signer }],
      sizeMax: SIZE_MAX,
      ...(rawEcu !== undefined && { raw: { ecu: rawEcu } }),
    },
    source: new FileSource(file, signature),
    host: gate,
    ended: (result) => results.push(result),
  });
  const { timeline, trace } = bench.world;
  if (memory === undefined) {
    provisionEcus(bench, keys, dirname(resolve(path)));
    for (const ecu of bench.ecus.values()) ecu.powerOn();
  } else {
    bench.world.restore({ ...memory, trace: trace.save() });
  }
  timeline.runUntil(plus(timeline.now, POWER_ON));
  bench.vehicleGateway.startUpdate();
  const limit = plus(timeline.now, LIMIT);
  await new VirtualClock().run(timeline, gate, () => results.length > 0, limit as Instant);
  timeline.runUntil(plus(timeline.now, SETTLE));
  const [result = { verdict: "failed", ecus: [] }] = results;
  const { scheduler, parts } = bench.world.snapshot();
  return { result, memory: { scheduler, parts } };
}
