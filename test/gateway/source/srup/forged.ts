import type { Prng } from "../../../../emulator/kernel/prng.ts";
import { type Instant, RUN_START } from "../../../../emulator/kernel/time.ts";
import type { PeerInput } from "../../../../gateway/source/srup/role-io.ts";
import { decodeSrup, encodeSrup, type SrupVersion } from "../../../../gateway/source/srup/srup-message.ts";
import { bytesOf, hexOf, VECTORS } from "./vectors.ts";

/** Right messages of every type, which the original signed. */
export const SAMPLES = VECTORS.filter(({ category, valid }) => category === "message" && valid).map(({ hex }) =>
  bytesOf(hex),
);

/** What of a message counts: bytes behind the last field, and the pad of one type, do not. */
export function essence(bytes: Uint8Array, version: SrupVersion = 5): string | undefined {
  const decoded = decodeSrup(bytes, "current", version);
  return decoded.type === "malformed" ? undefined : hexOf(encodeSrup(decoded, version));
}

export function mutated(sample: Uint8Array, random: Prng): Uint8Array {
  const bytes = sample.slice();
  for (let count = 1 + (random.uint32() % 4); count > 0; count--) {
    const at = random.uint32() % bytes.length;
    bytes[at] = (bytes[at] as number) ^ (1 + (random.uint32() % 255));
  }
  return random.uint32() % 8 === 0 ? bytes.subarray(0, random.uint32() % bytes.length) : bytes;
}

/** Whoever takes messages. */
export interface Listener {
  handle(input: PeerInput, now: Instant): void;
  poll(): { readonly type: string; readonly peer?: string } | undefined;
  save(): unknown;
}

/** Hands a message over, and answers what is asked of the key service with nothing. @returns what else was said */
export function said(role: Listener, topic: string, payload: Uint8Array): string[] {
  role.handle({ type: "message", topic, payload }, RUN_START);
  const outputs: string[] = [];
  for (let output = role.poll(); output !== undefined; output = role.poll()) {
    if (output.type === "lookUpKey") role.handle({ type: "key", peer: output.peer ?? "" }, RUN_START);
    else outputs.push(output.type);
  }
  return outputs;
}
