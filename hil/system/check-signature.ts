import { PackageError } from "../../gateway/package/verified-package.ts";
import type { DetachedSignature } from "../../gateway/source/update-source.ts";
import { nodeCrypto } from "../crypto/node-crypto.ts";

const CLAUSE = "docs/protocols/packages.md, signature";

/** @param signer SubjectPublicKeyInfo, DER @throws {PackageError} PACKAGE_SIGNATURE_MISSING, PACKAGE_SIGNATURE_WRONG */
export function checkSignature(bytes: Uint8Array, signature: DetachedSignature | undefined, signer: Uint8Array): void {
  if (signature === undefined)
    throw new PackageError("PACKAGE_SIGNATURE_MISSING", "no signature came with the file", CLAUSE);
  if (!nodeCrypto.verify(signature.algorithm, signer, bytes, signature.signature))
    throw new PackageError("PACKAGE_SIGNATURE_WRONG", "the signature is not by the signer that counts", CLAUSE);
}
