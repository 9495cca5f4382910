import type { Crypto } from "../kernel/crypto.ts";
import {
  checkImage,
  decodeImageHeader,
  IMAGE_HEADER_LENGTH,
  IMAGE_SIGNATURES,
  type ImageHeader,
} from "../wire/image-header.ts";
import type { ImageStatus } from "../wire/uds.ts";
import { packVersion } from "../wire/version.ts";
import type { Bank, BootMetadata } from "./boot-metadata.ts";
import type { BankMap, EcuConfig } from "./config.ts";
import type { Flash } from "./flash.ts";

/** What a check found first. */
type CheckResult = keyof typeof ImageStatus;

export interface CheckedImage {
  readonly result: CheckResult;
  /** Undefined only when the header is malformed or can't be read. */
  readonly header: ImageHeader | undefined;
}

/** What an image is, and the code for that in its header. */
export const IMAGE_KINDS = { application: 0, bootloader: 1 } as const;
export type ImageKind = keyof typeof IMAGE_KINDS;

/** Looks at one bank with everything that must be right before its code may run. */
export function checkBank(
  bank: Bank,
  kind: ImageKind,
  banks: BankMap,
  config: EcuConfig,
  flash: Flash,
  metadata: BootMetadata,
  crypto: Crypto,
): CheckedImage {
  const address = banks.address[bank];
  if (flash.damaged(address, IMAGE_HEADER_LENGTH)) return { result: "eccError", header: undefined };
  const decoded = decodeImageHeader(flash.read(address, IMAGE_HEADER_LENGTH));
  if (decoded.type === "malformed") return { result: "headerMalformed", header: undefined };
  const { header, signed } = decoded;
  const found = (result: CheckResult): CheckedImage => ({ result, header });
  if (header.size > banks.size - IMAGE_HEADER_LENGTH) return found("sizeWrong");
  if (flash.damaged(address + IMAGE_HEADER_LENGTH, header.size)) return found("eccError");
  const code = flash.read(address + IMAGE_HEADER_LENGTH, header.size);
  const contents = checkImage(header, code, (data) => crypto.sha256(data));
  if (contents !== "ok") return found(contents);
  const { code: expected, algorithm } = IMAGE_SIGNATURES[config.imageSignature];
  const genuine =
    header.signatureAlgorithm === expected && crypto.verify(algorithm, config.imagePublicKey, signed, header.signature);
  if (!genuine) return found("signatureWrong");
  if (header.kind !== IMAGE_KINDS[kind]) return found("kindWrong");
  if (header.ecu !== config.name) return found("ecuWrong");
  if (header.hardwareVersion !== packVersion(config.identity.hardwareVersion)) return found("hardwareWrong");
  if (header.securityCounter < metadata.rollbackFloor) return found("rolledBack");
  return found("ok");
}
