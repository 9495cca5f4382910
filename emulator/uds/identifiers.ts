import { Did, Nrc } from "../wire/uds.ts";
import type { DynamicIdentifier, DynamicSource } from "./data-state.ts";
import type { DidRule } from "./host.ts";
import { accessNrc, joined, type ServiceContext } from "./service.ts";

const NOTHING = new Uint8Array(0);

/** What is known of an identifier that the ECU has of its own; those defined by a tester are not among them. */
export const ownRule = (did: number, { host }: ServiceContext): DidRule | undefined =>
  host.dids.get(did) ?? host.dataHost?.dids.get(did);

const dynamicOf = (did: number, { memory }: ServiceContext): DynamicIdentifier | undefined =>
  memory.dynamic.find((each) => each.did === did);

/** Why an identifier can't be read now: its session first (NRC 0x31), then its security; undefined when it can be. */
export function readNrc(did: number, context: ServiceContext): Nrc | undefined {
  const dynamic = dynamicOf(did, context);
  if (dynamic === undefined) return accessNrc(ownRule(did, context)?.read, context.memory);
  const nrcs = dynamic.sources.map((source) => sourceNrc(source, context));
  return nrcs.find((nrc) => nrc === Nrc.RequestOutOfRange) ?? nrcs.find((nrc) => nrc !== undefined);
}

/** The record of an identifier that may be read; undefined when there is none at the moment. */
export function dataOf(did: number, context: ServiceContext): Uint8Array | undefined {
  const { host, memory, now } = context;
  const dynamic = dynamicOf(did, context);
  if (dynamic !== undefined) {
    return dynamic.sources.reduce<Uint8Array>((whole, source) => joined(whole, sourceData(source, context)), NOTHING);
  }
  if (did === Did.ActiveSession) return Uint8Array.of(memory.session);
  return host.dids.has(did) ? host.readData(did) : host.dataHost?.readData(did, now);
}

/** Why a stretch of memory can't be used now. It must lie within one range. */
export function memoryNrc(
  range: { readonly address: number; readonly size: number },
  way: "read" | "write",
  { host, memory }: ServiceContext,
): Nrc | undefined {
  const end = range.address + range.size;
  const rule = host.dataHost?.ranges.find(({ address, size }) => address <= range.address && end <= address + size);
  return accessNrc(range.size === 0 ? undefined : rule?.[way], memory);
}

/** Why a piece can't be part of a dynamic identifier, or be read as such, now. */
export function sourceNrc(source: DynamicSource, context: ServiceContext): Nrc | undefined {
  if (source.type === "memory") return memoryNrc(source, "read", context);
  return accessNrc(ownRule(source.did, context)?.read, context.memory);
}

/** Bytes that the record has no more are 00. */
function sourceData(source: DynamicSource, context: ServiceContext): Uint8Array {
  const { host } = context;
  if (source.type === "memory") return host.dataHost?.readMemory(source.address, source.size) ?? NOTHING;
  const piece = new Uint8Array(source.size);
  const record = dataOf(source.did, context) ?? NOTHING;
  piece.set(record.subarray(source.offset, source.offset + source.size));
  return piece;
}
