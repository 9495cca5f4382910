import { UsageError } from "../kernel/errors.ts";
import type { IsoTpAddress } from "./config.ts";

/** N_AI of one direction in one of the address formats. (ISO 15765-2:2016, 10.3) */
export type NAi =
  | { readonly format: "normal"; readonly id: number; readonly extended: boolean }
  /** 29 bits: 18DAttss physical, 18DBttss functional. (Tables 29 and 30) */
  | { readonly format: "normalFixed"; readonly target: number; readonly source: number }
  /** N_TA goes in the first byte of each frame. (10.3.4) */
  | { readonly format: "extended"; readonly id: number; readonly extended: boolean; readonly target: number }
  /** 11 bits; N_AE goes in the first byte. (10.3.5.3) */
  | { readonly format: "mixed"; readonly id: number; readonly addressExtension: number }
  /** 29 bits: 18CEttss physical, 18CDttss functional; N_AE goes in the first byte. (10.3.5.2) */
  | {
      readonly format: "mixed29";
      readonly target: number;
      readonly source: number;
      readonly addressExtension: number;
    };

/** What a frame carries of its N_AI. */
export interface FrameAddress {
  readonly id: number;
  /** A 29-bit identifier. */
  readonly extended: boolean;
  readonly addressByte?: number;
}

const fixed = (prefix: number, target: number, source: number): number => prefix + target * 0x100 + source;

/** Identifiers of normal fixed addressing. (ISO 15765-2:2016, 10.3.3) @internal for tests */
export const normalFixed = (target: number, source: number, functional = false): number =>
  fixed(functional ? 0x18db0000 : 0x18da0000, target, source);

/** @param functional N_TAtype: a request to many, not to one */
export function frameAddress(nAi: NAi, functional = false): FrameAddress {
  switch (nAi.format) {
    case "normal":
      return { id: nAi.id, extended: nAi.extended };
    case "normalFixed":
      return { id: normalFixed(nAi.target, nAi.source, functional), extended: true };
    case "extended":
      return { id: nAi.id, extended: nAi.extended, addressByte: nAi.target };
    case "mixed":
      return { id: nAi.id, extended: false, addressByte: nAi.addressExtension };
    case "mixed29": {
      const id = fixed(functional ? 0x18cd0000 : 0x18ce0000, nAi.target, nAi.source);
      return { id, extended: true, addressByte: nAi.addressExtension };
    }
  }
}

/**
 * One pair of peers: `tx` of what this node sends, `rx` of what it receives, `functionalRx` of requests to many.
 * @throws {UsageError} when physical and functional requests have identifiers of different length
 */
export function isoTpAddress(tx: NAi, rx: NAi, functionalRx?: NAi): IsoTpAddress {
  const sent = frameAddress(tx);
  const received = frameAddress(rx);
  const functional = functionalRx === undefined ? undefined : frameAddress(functionalRx, true);
  if (functional !== undefined && functional.extended !== received.extended) {
    throw new UsageError("physical and functional requests have identifiers of different length");
  }
  return {
    txId: sent.id,
    rxId: received.id,
    extended: sent.extended,
    ...(received.extended === sent.extended ? {} : { rxExtended: received.extended }),
    ...(sent.addressByte === undefined ? {} : { txAddressByte: sent.addressByte }),
    ...(received.addressByte === undefined ? {} : { rxAddressByte: received.addressByte }),
    ...(functional === undefined ? {} : { functionalRxId: functional.id }),
    ...(functional?.addressByte === undefined ? {} : { functionalAddressByte: functional.addressByte }),
  };
}
