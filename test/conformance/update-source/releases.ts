import { openPackage } from "../../../gateway/package/open-package.ts";
import type { DetachedSignature, Inventory } from "../../../gateway/source/update-source.ts";
import { inflate } from "../../../hil/crypto/inflate.ts";
import { makeKeys } from "../../../hil/crypto/keys.ts";
import { nodeCrypto } from "../../../hil/crypto/node-crypto.ts";
import { buildImage } from "../../../hil/release/build-image.ts";
import { packRelease, signRelease } from "../../../hil/release/build-release.ts";

const owner = makeKeys("owner");
const stranger = makeKeys("stranger");
const ECU = "ECU_011";
const BUILD_TIME = 1_768_000_000;

/** What the vehicle of these tests is. */
export const INVENTORY: Inventory = { vin: "KMHXX00XXXX000001", ecus: [{ id: ECU, version: "1.5.0" }] };

/** By the one whom the vehicle trusts, or by somebody else. */
export const signatureOf = (file: Uint8Array, byOwner: boolean): Uint8Array =>
  signRelease(file, (byOwner ? owner : stranger).package).signature;

/** Whether the owner has signed these very bytes. */
export const isOwners = (file: Uint8Array, signature: DetachedSignature | undefined): boolean =>
  signature !== undefined && nodeCrypto.verify(signature.algorithm, owner.package.publicKey, file, signature.signature);

/** A vehicle package with software for one ECU. */
export function packageFor(vin: string, version: string): Uint8Array {
  const parts = { ecu: ECU, version, hardwareVersion: "1.0.0" };
  const image = buildImage({ ...parts, buildTime: BUILD_TIME, code: new Uint8Array(100_000).fill(7) }, owner.image);
  const frame = { format: "vehicle", vin, model: "test", modelYear: 2024, version, buildTime: BUILD_TIME } as const;
  return packRelease({ ...frame, zones: [{ id: "ZONE_01", number: 1, ecus: [{ ...parts, image }] }] });
}

/** What the package pipeline of the vehicle says: "ok", or the code of what is wrong. */
export function pipelineVerdict(bytes: Uint8Array, signature: DetachedSignature | undefined): string {
  const { algorithm, publicKey } = owner.package;
  const policy = {
    trusted: [{ algorithm, publicKey }],
    ...(signature !== undefined && { signature }),
    vin: INVENTORY.vin,
    installed: INVENTORY.ecus,
    sizeMax: 1 << 24,
  };
  try {
    openPackage(bytes, policy, { crypto: nodeCrypto, inflate });
    return "ok";
  } catch (error) {
    return (error as { code: string }).code;
  }
}
