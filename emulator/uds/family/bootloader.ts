import { seedKey } from "../../wire/seed-key.ts";
import { Did, Nrc, Rid, Session, Sid } from "../../wire/uds.ts";
import {
  ALL_SESSIONS,
  type Answer,
  enterSession,
  fromWork,
  negative,
  positive,
  ResetType,
  type Service,
  type ServiceContext,
  WRONG_LENGTH,
} from "../service.ts";
import type { Work } from "../work.ts";

/**
 * The services of the family's bootloader, as it really answers. It looks at nothing in the standard's order: each service
 * checks for itself, no sub-function suppresses an answer, and there is no timing in the answer to 10.
 * (docs/protocols/ecu.md, the family's bootloader)
 */
const own = (sid: number, run: Service["run"], more: Partial<Service> = {}): Service => ({
  sid,
  sessions: ALL_SESSIONS,
  unlocked: false,
  functional: true,
  subFunctions: "none",
  run,
  ...more,
});

const BLOCK_LENGTH = 0x0400;
const LENGTH_FORMAT = 0x20;
const KEY_END = 6;
const COUNTER_MAX = 0xff;

const sessionControl = own(Sid.DiagnosticSessionControl, (request, { memory }) => {
  if (request.length < 2) return WRONG_LENGTH;
  const session = request[1] as number;
  if (!ALL_SESSIONS.includes(session as Session)) return negative(Nrc.SubFunctionNotSupported);
  const { unlocked, download } = memory;
  enterSession(memory, session as Session);
  memory.download = download;
  if (session === Session.Extended) memory.unlocked = unlocked;
  return positive(Sid.DiagnosticSessionControl, session);
});

const reset = own(Sid.EcuReset, (request, { host, now }) => {
  if (request.length < 2) return WRONG_LENGTH;
  const type = request[1] as number;
  if (type < ResetType.HardReset || type > ResetType.SoftReset) return negative(Nrc.SubFunctionNotSupported);
  return fromWork(host.prepareReset(now), Sid.EcuReset, [type], type as ResetType);
});

const readVin = own(Sid.ReadDataByIdentifier, (request, { host }) => {
  if (request.length < 3) return WRONG_LENGTH;
  const did = (request[1] as number) * 0x100 + (request[2] as number);
  const data = did === Did.Vin ? host.readData(did) : undefined;
  if (data === undefined) return negative(Nrc.RequestOutOfRange);
  return fromWork({ type: "done", record: data }, Sid.ReadDataByIdentifier, [did >>> 8, did & 0xff]);
});

const security = own(
  Sid.SecurityAccess,
  (request, context) => {
    if (request.length < 2) return WRONG_LENGTH;
    if (request[1] === 0x01) return giveSeed(context);
    return request[1] === 0x02 ? takeKey(request, context) : negative(Nrc.SubFunctionNotSupported);
  },
  {
    ended(succeeded, { memory }) {
      if (succeeded) memory.unlocked = true;
    },
  },
);

const isDelayed = ({ host, now }: ServiceContext): boolean => (host.security.delayUntil ?? now) > now;

function giveSeed(context: ServiceContext): Answer {
  const { host, memory } = context;
  if (isDelayed(context)) return negative(Nrc.RequiredTimeDelayNotExpired);
  memory.seed = memory.unlocked ? 0 : host.seed();
  const { seed } = memory;
  return positive(Sid.SecurityAccess, 0x01, seed >>> 24, (seed >>> 16) & 0xff, (seed >>> 8) & 0xff, seed & 0xff);
}

/** A key that nobody asked a seed for is taken as one for seed 0. */
function takeKey(request: Uint8Array, context: ServiceContext): Answer {
  const { config, host, memory, now } = context;
  if (request.length < KEY_END) return WRONG_LENGTH;
  if (isDelayed(context)) return negative(Nrc.RequiredTimeDelayNotExpired);
  const key = new DataView(request.buffer, request.byteOffset).getUint32(2);
  const work = host.security.keyReceived(key === seedKey(config.seedKey, memory.seed ?? 0), now);
  if (work.type === "done") memory.unlocked = true;
  return fromWork(work, Sid.SecurityAccess, [0x02]);
}

/** Any identifier in any session; what is written is thrown away. */
const writeNothing = own(Sid.WriteDataByIdentifier, (request, { memory }) => {
  if (!memory.unlocked) return negative(Nrc.SecurityAccessDenied);
  if (request.length < 4) return WRONG_LENGTH;
  return positive(Sid.WriteDataByIdentifier, request[1] as number, request[2] as number);
});

/** The high nibble of the format identifier is the length of the address, the low one that of the size. */
function swappedRange(request: Uint8Array): { readonly address: number; readonly size: number } | undefined {
  const format = request[2] as number;
  const addressEnd = 3 + (format >>> 4);
  const end = addressEnd + (format & 0x0f);
  if (request.length < end) return undefined;
  const number = (from: number, to: number): number =>
    request.subarray(from, to).reduce((value, octet) => value * 0x100 + octet, 0);
  return { address: number(3, addressEnd), size: number(addressEnd, end) };
}

/** There is no routine to erase with: the download does it. A second one takes the place of the first. */
const download = own(
  Sid.RequestDownload,
  (request, context) => {
    const { host, memory, now } = context;
    if (request.length < 4) return WRONG_LENGTH;
    if (memory.session !== Session.Programming) return negative(Nrc.ConditionsNotCorrect);
    if (!memory.unlocked) return negative(Nrc.SecurityAccessDenied);
    const range = swappedRange(request);
    if (range === undefined) return WRONG_LENGTH;
    memory.download = { ...range, received: 0, lastCounter: 0, blocks: 0 };
    const option = new Uint8Array(9);
    const view = new DataView(option.buffer);
    view.setUint8(0, 0x44);
    view.setUint32(1, range.address % 0x1_0000_0000);
    view.setUint32(5, range.size % 0x1_0000_0000);
    return erased(host.startRoutine(Rid.EraseMemory, option, now), context);
  },
  { next: erased },
);

const DOWNLOAD_RESPONSE = [LENGTH_FORMAT, BLOCK_LENGTH >>> 8, BLOCK_LENGTH & 0xff];

function erased(work: Work, { host, memory, now }: ServiceContext): Answer {
  if (work.type === "busy") return fromWork(work, Sid.RequestDownload, DOWNLOAD_RESPONSE);
  const { address, size } = memory.download as NonNullable<typeof memory.download>;
  const begun = work.type === "refused" ? work : host.requestDownload(address, size, now);
  if (begun.type === "refused") memory.download = undefined;
  return fromWork(begun, Sid.RequestDownload, DOWNLOAD_RESPONSE);
}

/** The counter goes from 255 to 1. Too much data is counted, not written, and noticed by 37. */
const transfer = own(
  Sid.TransferData,
  (request, { host, memory, now }) => {
    const current = memory.download;
    if (current === undefined) return negative(Nrc.RequestSequenceError);
    if (request.length < 2) return WRONG_LENGTH;
    const counter = request[1] as number;
    if (counter !== (current.lastCounter % COUNTER_MAX) + 1) return negative(Nrc.WrongBlockSequenceCounter);
    const data = request.slice(2, 2 + Math.max(0, current.size - current.received));
    const received = current.received + request.length - 2;
    memory.download = { ...current, received, lastCounter: counter, blocks: current.blocks + 1 };
    if (data.length === 0) return positive(Sid.TransferData, counter);
    const work = host.transferData(current.received, data, now);
    if (work.type === "refused") memory.download = undefined;
    return fromWork(work, Sid.TransferData, [counter]);
  },
  {
    ended(succeeded, { memory }) {
      if (!succeeded) memory.download = undefined;
    },
  },
);

/** A count that does not match leaves the download open. One that does has the image checked and put on trial. */
const exit = own(
  Sid.RequestTransferExit,
  (_request, context) => {
    const { host, memory, now } = context;
    if (memory.download === undefined) return negative(Nrc.RequestSequenceError);
    if (memory.download.received !== memory.download.size) return negative(Nrc.GeneralProgrammingFailure);
    memory.download = undefined;
    const work = host.transferExit(now);
    return work.type === "done"
      ? installed(host.startRoutine(Rid.CheckProgrammingDependencies, new Uint8Array(0), now))
      : fromWork(work, Sid.RequestTransferExit, []);
  },
  { next: installed },
);

function installed(work: Work): Answer {
  if (work.type === "busy") return fromWork(work, Sid.RequestTransferExit, []);
  const taken = work.type === "done" && (work.record[0] ?? 0) === 0;
  return taken ? positive(Sid.RequestTransferExit) : negative(Nrc.GeneralProgrammingFailure);
}

/** Echoes any sub-function, 80 too. */
const testerPresent = own(Sid.TesterPresent, (request) =>
  request.length < 2 ? WRONG_LENGTH : positive(Sid.TesterPresent, request[1] as number),
);

export const FAMILY_BOOTLOADER: readonly Service[] = [
  sessionControl,
  reset,
  readVin,
  security,
  writeNothing,
  download,
  transfer,
  exit,
  testerPresent,
];
