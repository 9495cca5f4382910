import { Nrc, Sid } from "../../wire/uds.ts";
import type { DataTransfer, UploadSource } from "../data-state.ts";
import type { FileHost } from "../host-data.ts";
import {
  type Answer,
  accessNrc,
  fromWork,
  negative,
  PROGRAMMING,
  positive,
  type Service,
  type ServiceContext,
  uint16,
  WRONG_LENGTH,
} from "../service.ts";
import { bigEndian } from "./address-and-size.ts";
import { blockLengthOf } from "./data-transfer.ts";

/** modeOfOperation. (ISO 14229-1:2020, Table G.1) */
const Mode = {
  AddFile: 0x01,
  DeleteFile: 0x02,
  ReplaceFile: 0x03,
  ReadFile: 0x04,
  ReadDir: 0x05,
  ResumeFile: 0x06,
} as const;
const NO_COMPRESSION_NO_ENCRYPTION = 0x00;
const PATH_OFFSET = 4;
/** Of maxNumberOfBlockLength, and of sizes. */
const BLOCK_LENGTH_LENGTH = 2;
const SIZE_LENGTH = 4;
const SIZE_LENGTH_MAX = 4;
const POSITION_LENGTH = 8;

/** A request, taken apart. */
interface FileRequest {
  readonly mode: number;
  readonly path: string;
  /** 00 where the mode has none. */
  readonly format: number;
  readonly size: number;
  readonly sizeCompressed: number;
}

/** 0x38; the data follows with 36 and 37. (ISO 14229-1:2020, 14.6 and Annex G) */
export const requestFileTransfer: Service = {
  sid: Sid.RequestFileTransfer,
  sessions: PROGRAMMING,
  unlocked: true,
  functional: false,
  subFunctions: "none",
  offered: ({ dataHost }) => dataHost !== undefined,
  run(request, context) {
    const files = context.host.dataHost?.files;
    if (request.length <= PATH_OFFSET) return WRONG_LENGTH;
    const asked = readRequest(request);
    if (asked.type !== "request") return negative(asked.nrc);
    const nrc = accessNrc(files?.access, context.memory);
    if (files === undefined || nrc !== undefined) return negative(nrc ?? Nrc.RequestOutOfRange);
    const { path, format, size, sizeCompressed } = asked.request;
    const plain = format === NO_COMPRESSION_NO_ENCRYPTION && size === sizeCompressed;
    if (!plain || !files.isPath(path)) return negative(Nrc.RequestOutOfRange);
    return transfer(asked.request, files, context);
  },
};

type Read = { readonly type: "request"; readonly request: FileRequest } | { readonly type: "refused"; nrc: Nrc };

/** What is missing or too much is NRC 0x13, a field that can't be is 0x31. */
function readRequest(data: Uint8Array): Read {
  const refused = (nrc: Nrc): Read => ({ type: "refused", nrc });
  const mode = data[1] as number;
  if (mode < Mode.AddFile || mode > Mode.ResumeFile) return refused(Nrc.RequestOutOfRange);
  const formatOffset = PATH_OFFSET + uint16(data, 2);
  const hasFormat = mode !== Mode.DeleteFile && mode !== Mode.ReadDir;
  const hasSize = hasFormat && mode !== Mode.ReadFile;
  const sizeLength = hasSize ? data[formatOffset + 1] : 0;
  if (sizeLength === undefined) return refused(Nrc.IncorrectMessageLengthOrInvalidFormat);
  if (hasSize && (sizeLength === 0 || sizeLength > SIZE_LENGTH_MAX)) return refused(Nrc.RequestOutOfRange);
  const sizeOffset = formatOffset + (hasFormat ? 1 : 0) + (hasSize ? 1 : 0);
  if (data.length !== sizeOffset + 2 * sizeLength) return refused(Nrc.IncorrectMessageLengthOrInvalidFormat);
  const request = {
    mode,
    path: String.fromCharCode(...data.subarray(PATH_OFFSET, formatOffset)),
    format: hasFormat ? (data[formatOffset] as number) : NO_COMPRESSION_NO_ENCRYPTION,
    size: bigEndian(data, sizeOffset, sizeLength),
    sizeCompressed: bigEndian(data, sizeOffset + sizeLength, sizeLength),
  };
  return { type: "request", request };
}

function transfer(request: FileRequest, files: FileHost, context: ServiceContext): Answer {
  const { memory, now } = context;
  const { mode, path } = request;
  if (memory.download !== undefined || memory.transfer !== undefined) return negative(Nrc.ConditionsNotCorrect);
  switch (mode) {
    case Mode.DeleteFile:
      if (!files.exists(path) && files.begun(path) === undefined) return negative(Nrc.RequestOutOfRange);
      return fromWork(files.remove(path, now), Sid.RequestFileTransfer, [mode]);
    case Mode.ReadFile:
      return upload(mode, { type: "file", path }, files.read(path)?.length, context);
    case Mode.ReadDir:
      return upload(mode, { type: "directory", path }, files.list(path)?.length, context);
    default:
      return download(request, files, context);
  }
}

function upload(mode: number, source: UploadSource, size: number | undefined, context: ServiceContext): Answer {
  if (size === undefined) return negative(Nrc.RequestOutOfRange);
  context.memory.transfer = { direction: "upload", source, size, done: 0, lastCounter: 0, lastOffset: 0, blocks: 0 };
  const sizes =
    source.type === "file" ? [...octets(size, SIZE_LENGTH), ...octets(size, SIZE_LENGTH)] : octets(size, SIZE_LENGTH);
  return accepted(mode, [...octets(SIZE_LENGTH, 2), ...sizes], context);
}

function download({ mode, path, size }: FileRequest, files: FileHost, context: ServiceContext): Answer {
  if (path.endsWith("/") || size === 0) return negative(Nrc.RequestOutOfRange);
  if (mode === Mode.ResumeFile) return resumed(path, size, files, context);
  if (mode === Mode.AddFile && files.exists(path)) return negative(Nrc.RequestOutOfRange);
  if (!files.begin(path, size)) return negative(Nrc.UploadDownloadNotAccepted);
  context.memory.transfer = downloadFrom(path, size, 0);
  return accepted(mode, [], context);
}

/** Goes on behind what has been stored of a transfer that broke off. */
function resumed(path: string, size: number, files: FileHost, context: ServiceContext): Answer {
  const begun = files.begun(path);
  if (begun === undefined) return negative(Nrc.RequestSequenceError);
  if (begun.size !== size) return negative(Nrc.RequestOutOfRange);
  context.memory.transfer = downloadFrom(path, size, begun.received);
  return accepted(Mode.ResumeFile, octets(begun.received, POSITION_LENGTH), context);
}

const downloadFrom = (path: string, size: number, done: number): DataTransfer => ({
  direction: "download",
  path,
  size,
  done,
  lastCounter: 0,
  blocks: 0,
});

function accepted(mode: number, rest: readonly number[], { config }: ServiceContext): Answer {
  const block = octets(blockLengthOf(config), BLOCK_LENGTH_LENGTH);
  const format = [BLOCK_LENGTH_LENGTH, ...block, NO_COMPRESSION_NO_ENCRYPTION];
  return positive(Sid.RequestFileTransfer, mode, ...format, ...rest);
}

const octets = (value: number, length: number): readonly number[] =>
  Array.from({ length }, (_, index) => Math.floor(value / 0x100 ** (length - 1 - index)) % 0x100);
