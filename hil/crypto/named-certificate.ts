import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { UsageError } from "../../emulator/kernel/errors.ts";

/** What a person has named on the command line: a path, and the text that is there. */
export interface NamedText {
  readonly path: string;
  readonly text: string;
}

/** @returns the text, in which a certificate can be read, PEM @throws {UsageError} when there is none */
export function certificateText({ path, text }: NamedText): string {
  certificateIn({ path, text });
  return text;
}

/** @throws {UsageError} when one of the two is not what it is named as, or the key is another certificate's */
export function identityTexts(certificate: NamedText, key: NamedText): { certificate: string; privateKey: string } {
  if (!certificateIn(certificate).checkPrivateKey(keyIn(key))) {
    throw new UsageError(`the key in ${key.path} is not that of the certificate in ${certificate.path}`);
  }
  return { certificate: certificate.text, privateKey: key.text };
}

function certificateIn({ path, text }: NamedText): X509Certificate {
  try {
    return new X509Certificate(text);
  } catch (cause) {
    throw new UsageError(`${path} holds no certificate that can be read: ${(cause as Error).message}`, { cause });
  }
}

function keyIn({ path, text }: NamedText): KeyObject {
  try {
    return createPrivateKey(text);
  } catch (cause) {
    throw new UsageError(`${path} holds no private key that can be read: ${(cause as Error).message}`, { cause });
  }
}
