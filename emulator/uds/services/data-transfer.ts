import { Nrc, POSITIVE_RESPONSE_OFFSET, Sid } from "../../wire/uds.ts";
import type { UdsConfig } from "../config.ts";
import type { DataTransfer } from "../data-state.ts";
import { DONE } from "../host.ts";
import type { DataHost } from "../host-data.ts";
import { type Answer, fromWork, negative, type ServiceContext, WRONG_LENGTH } from "../service.ts";

const HEAD_LENGTH = 2;
const NOTHING = new Uint8Array(0);

/** The longest 36 message of a transfer, in either direction. */
export const blockLengthOf = (config: UdsConfig): number =>
  Math.min(config.maxNumberOfBlockLength, config.responseSizeMax);

type Upload = Extract<DataTransfer, { direction: "upload" }>;
type Download = Extract<DataTransfer, { direction: "download" }>;

/**
 * 0x36 in an upload, or in the transfer of a file. The last block may be asked for, or come, once more. A wrong counter,
 * too much data or a failure to store ends the transfer. (ISO 14229-1:2020, 14.4)
 */
export function transferBlock(request: Uint8Array, transfer: DataTransfer, context: ServiceContext): Answer {
  return transfer.direction === "upload"
    ? uploadBlock(request, transfer, context)
    : downloadBlock(request, transfer, context);
}

/** 0x37: only when all was transferred. (ISO 14229-1:2020, 14.5) */
export function transferEnd(transfer: DataTransfer, { host, memory, now }: ServiceContext): Answer {
  if (transfer.done < transfer.size) return negative(Nrc.RequestSequenceError);
  memory.transfer = undefined;
  const work = transfer.direction === "upload" ? DONE : host.dataHost?.files.finish(transfer.path, now);
  return fromWork(work ?? DONE, Sid.RequestTransferExit, []);
}

const isNext = (counter: number, { lastCounter }: DataTransfer): boolean => counter === ((lastCounter + 1) & 0xff);
const isRepeated = (counter: number, { lastCounter, blocks }: DataTransfer): boolean =>
  blocks > 0 && counter === lastCounter;

function uploadBlock(request: Uint8Array, upload: Upload, { config, host, memory }: ServiceContext): Answer {
  if (request.length !== HEAD_LENGTH) return WRONG_LENGTH;
  const counter = request[1] as number;
  const repeated = isRepeated(counter, upload);
  if (!repeated && !isNext(counter, upload)) {
    memory.transfer = undefined;
    return negative(Nrc.WrongBlockSequenceCounter);
  }
  if (!repeated && upload.done >= upload.size) return negative(Nrc.RequestSequenceError);
  const offset = repeated ? upload.lastOffset : upload.done;
  const end = Math.min(upload.size, offset + blockLengthOf(config) - HEAD_LENGTH);
  const data = host.dataHost === undefined ? NOTHING : sourceData(upload, offset, end, host.dataHost);
  if (!repeated) {
    memory.transfer = { ...upload, lastCounter: counter, blocks: upload.blocks + 1, lastOffset: offset, done: end };
  }
  const response = new Uint8Array(HEAD_LENGTH + data.length);
  response.set([Sid.TransferData + POSITIVE_RESPONSE_OFFSET, counter]);
  response.set(data, HEAD_LENGTH);
  return { type: "positive", response };
}

function sourceData({ source }: Upload, from: number, to: number, host: DataHost): Uint8Array {
  switch (source.type) {
    case "memory":
      return host.readMemory(source.address + from, to - from);
    case "file":
      return host.files.read(source.path)?.subarray(from, to) ?? NOTHING;
    case "directory":
      return host.files.list(source.path)?.subarray(from, to) ?? NOTHING;
  }
}

function downloadBlock(request: Uint8Array, download: Download, context: ServiceContext): Answer {
  const { config, host, memory, now } = context;
  const length = request.length - HEAD_LENGTH;
  if (length <= 0 || request.length > blockLengthOf(config)) return WRONG_LENGTH;
  const counter = request[1] as number;
  if (isRepeated(counter, download)) return fromWork(DONE, Sid.TransferData, [counter]);
  const abandon = (nrc: Nrc): Answer => {
    memory.transfer = undefined;
    return negative(nrc);
  };
  if (!isNext(counter, download)) return abandon(Nrc.WrongBlockSequenceCounter);
  const done = download.done + length;
  if (host.dataHost === undefined || done > download.size) return abandon(Nrc.TransferDataSuspended);
  const work = host.dataHost.files.append(download.path, request.slice(HEAD_LENGTH), now);
  if (work.type === "refused") return abandon(work.nrc);
  memory.transfer = { ...download, lastCounter: counter, blocks: download.blocks + 1, done };
  return fromWork(work, Sid.TransferData, [counter]);
}
