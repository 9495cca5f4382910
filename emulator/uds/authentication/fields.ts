/** One field of a message: so many bytes, or two bytes of length and then that many. */
type Field = number | "sized";

/**
 * Reads the fields of a 0x29 request behind its sub-function.
 * @returns undefined unless the request ends exactly with the last field
 */
export function readFields(request: Uint8Array, layout: readonly Field[]): readonly Uint8Array[] | undefined {
  const fields: Uint8Array[] = [];
  let offset = 2;
  for (const field of layout) {
    let length: number;
    if (field === "sized") {
      if (request.length < offset + 2) return undefined;
      length = (request[offset] as number) * 0x100 + (request[offset + 1] as number);
      offset += 2;
    } else length = field;
    if (request.length < offset + length) return undefined;
    fields.push(request.slice(offset, offset + length));
    offset += length;
  }
  return offset === request.length ? fields : undefined;
}

/** A field with its two bytes of length. */
export const sized = (data: Uint8Array): readonly number[] => [data.length >>> 8, data.length & 0xff, ...data];

const CLIENT = Uint8Array.from("otabench client", (character) => character.charCodeAt(0));
const SERVER = Uint8Array.from("otabench server", (character) => character.charCodeAt(0));

/** What a client signs to prove that a key is its own. (docs/protocols/ecu.md, authentication) */
export const clientProof = (challengeServer: Uint8Array, challengeClient: Uint8Array): Uint8Array =>
  Uint8Array.of(...CLIENT, ...challengeServer, ...challengeClient);

export const serverProof = (challengeServer: Uint8Array, challengeClient: Uint8Array): Uint8Array =>
  Uint8Array.of(...SERVER, ...challengeClient, ...challengeServer);
