import { Nrc, POSITIVE_RESPONSE_OFFSET, Sid } from "../../wire/uds.ts";
import type { DynamicSource } from "../data-state.ts";
import { dataOf, ownRule, sourceNrc } from "../identifiers.ts";
import {
  ALL_SESSIONS,
  type Answer,
  negative,
  positive,
  type Service,
  type ServiceContext,
  uint16,
  WRONG_LENGTH,
} from "../service.ts";
import { readFormatted } from "./address-and-size.ts";

/** (ISO 14229-1:2020, Table 180) */
const Definition = { ByIdentifier: 0x01, ByMemoryAddress: 0x02, Clear: 0x03 } as const;
const SOURCES_OFFSET = 4;
const IDENTIFIER_SOURCE_LENGTH = 4;

/**
 * 0x2C: F300 to F3FF, and F200 to F2FF as periodic identifiers. Defining one again adds to it. Definitions outlive their
 * session and are lost with a reset; what they read is checked when it is read. (ISO 14229-1:2020, 11.6 and Figure 24)
 */
export const dynamicallyDefineDataIdentifier: Service = {
  sid: Sid.DynamicallyDefineDataIdentifier,
  sessions: ALL_SESSIONS,
  unlocked: false,
  functional: false,
  subFunctions: new Map([
    [Definition.ByIdentifier, ALL_SESSIONS],
    [Definition.ByMemoryAddress, ALL_SESSIONS],
    [Definition.Clear, ALL_SESSIONS],
  ]),
  offered: ({ dataHost }) => dataHost !== undefined,
  run(request, context) {
    const type = (request[1] as number) & 0x7f;
    if (type === Definition.Clear) return clear(request, context);
    const sources = type === Definition.ByIdentifier ? identifierSources(request) : memorySources(request);
    return Array.isArray(sources) ? define(type, uint16(request, 2), sources, context) : (sources as Answer);
  },
};

function identifierSources(request: Uint8Array): readonly DynamicSource[] | Answer {
  const length = request.length - SOURCES_OFFSET;
  if (length < IDENTIFIER_SOURCE_LENGTH || length % IDENTIFIER_SOURCE_LENGTH !== 0) return WRONG_LENGTH;
  const sources: DynamicSource[] = [];
  for (let at = SOURCES_OFFSET; at < request.length; at += IDENTIFIER_SOURCE_LENGTH) {
    const position = request[at + 2] as number; // 1 first
    sources.push({
      type: "identifier",
      did: uint16(request, at),
      offset: position - 1,
      size: request[at + 3] as number,
    });
  }
  return sources;
}

function memorySources(request: Uint8Array): readonly DynamicSource[] | Answer {
  const format = request[SOURCES_OFFSET];
  if (format === undefined) return WRONG_LENGTH;
  const sources: DynamicSource[] = [];
  for (let at = SOURCES_OFFSET + 1; at < request.length || sources.length === 0; ) {
    const range = readFormatted(format, request, at);
    if (range.type === "formatInvalid") return negative(Nrc.RequestOutOfRange);
    if (range.type === "tooShort") return WRONG_LENGTH;
    sources.push({ type: "memory", address: range.address, size: range.size });
    at += range.length;
  }
  return sources;
}

function define(type: number, did: number, added: readonly DynamicSource[], context: ServiceContext): Answer {
  const { host, memory, config } = context;
  if (!isDynamic(did) || ownRule(did, context) !== undefined) return negative(Nrc.RequestOutOfRange);
  const known = memory.dynamic.find((each) => each.did === did);
  const sources = [...(known?.sources ?? []), ...added];
  const limits = host.dataHost?.limits;
  const full = known === undefined && memory.dynamic.length >= (limits?.dynamicIdentifiersMax ?? 0);
  const size = sources.reduce((sum, source) => sum + source.size, 0);
  if (full || sources.length > (limits?.dynamicSourcesMax ?? 0) || size + 3 > config.responseSizeMax) {
    return negative(Nrc.RequestOutOfRange);
  }
  const nrcs = added.map((source) => definitionNrc(source, context));
  const nrc = nrcs.find((each) => each === Nrc.RequestOutOfRange) ?? nrcs.find((each) => each !== undefined);
  if (nrc !== undefined) return negative(nrc);
  memory.dynamic = [...memory.dynamic.filter((each) => each.did !== did), { did, sources }];
  return positive(Sid.DynamicallyDefineDataIdentifier, type, did >>> 8, did & 0xff);
}

/** A piece must lie within the record as it is now. */
function definitionNrc(source: DynamicSource, context: ServiceContext): Nrc | undefined {
  const nrc = sourceNrc(source, context);
  if (nrc !== undefined || source.type === "memory") return nrc;
  const length = dataOf(source.did, context)?.length ?? 0;
  const inside = source.offset >= 0 && source.size > 0 && source.offset + source.size <= length;
  return inside ? undefined : Nrc.RequestOutOfRange;
}

/** One, or all of them; what is not defined is cleared as well. A periodic one is no longer sent then. */
function clear(request: Uint8Array, { memory }: ServiceContext): Answer {
  if (request.length !== 2 && request.length !== SOURCES_OFFSET) return WRONG_LENGTH;
  const did = request.length === 2 ? undefined : uint16(request, 2);
  if (did !== undefined && !isDynamic(did)) return negative(Nrc.RequestOutOfRange);
  const cleared = memory.dynamic.filter((each) => did === undefined || each.did === did).map((each) => each.did);
  memory.dynamic = memory.dynamic.filter((each) => !cleared.includes(each.did));
  memory.periodic = memory.periodic.filter((each) => !cleared.includes(each.did));
  const head = Uint8Array.of(Sid.DynamicallyDefineDataIdentifier + POSITIVE_RESPONSE_OFFSET, Definition.Clear);
  const echo = request.subarray(2);
  return { type: "positive", response: Uint8Array.from([...head, ...echo]) };
}

/** dynamicallyDefinedDataIdentifier and periodicDataIdentifier. (ISO 14229-1:2020, Table C.1) */
const isDynamic = (did: number): boolean => did >= 0xf200 && did <= 0xf3ff;
