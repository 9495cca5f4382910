import { failure, protocolFailure, type SourceFailure, statusFailure } from "../source-errors.ts";
import type { Offer } from "../update-source.ts";
import { compareValidator, contentLength, type HttpFields, parseContentRange, strongValidator } from "./http-fields.ts";

/** How far the fetch of one file is. Plain data. */
export interface Transfer {
  readonly release: string;
  readonly size: number | undefined;
  readonly validator: string | undefined;
  /** The byte that is missing first. */
  readonly received: number;
  /** The most that `received` has been; only what goes beyond counts as progress. */
  readonly furthest: number;
  /** Something has come since the fetch was asked for. */
  readonly begun: boolean;
  /** The content changed on the server, and the fetch started again. */
  readonly changed: boolean;
}

/** What a request asks for. `last` is missing when everything up to the end is wanted. */
export interface AskedRange {
  readonly first: number;
  readonly last?: number;
}

/** What the head of an answer means for the transfer. */
export type FileHead =
  /** The body goes on at `transfer.received`; `bodyEnd` is the offset behind its last byte, where that is known. */
  | { readonly type: "receive"; readonly transfer: Transfer; readonly bodyEnd: number | undefined }
  /** All of it had been received before. */
  | { readonly type: "complete"; readonly transfer: Transfer }
  /** The content is another one; to be asked for from the beginning. */
  | { readonly type: "restart"; readonly transfer: Transfer }
  | { readonly type: "failed"; readonly failure: SourceFailure };

/** Bytes can only be joined to earlier ones when something names the content: without a validator it is all or nothing. */
export function beginTransfer(offer: Offer, from: number): Transfer {
  const received = offer.validator === undefined ? 0 : from;
  return {
    release: offer.release,
    size: offer.size,
    validator: offer.validator,
    received,
    furthest: received,
    begun: false,
    changed: false,
  };
}

/** The range to ask for next; undefined for the whole file. @param window most bytes to ask for at once */
export function rangeOf(transfer: Transfer, window: number | undefined): AskedRange | undefined {
  const { received, size, validator } = transfer;
  if (validator === undefined) return undefined;
  if (window === undefined) return received === 0 ? undefined : { first: received };
  return { first: received, last: Math.min(received + window, size ?? Number.MAX_SAFE_INTEGER) - 1 };
}

/** @param range what was asked for, if not the whole @param sizeMax bytes */
export function readFileHead(
  transfer: Transfer,
  range: AskedRange | undefined,
  status: number,
  fields: HttpFields,
  sizeMax: number,
): FileHead {
  if (status === 200) return unencoded(fields) ?? readWhole(transfer, fields, sizeMax);
  if (range !== undefined && status === 206) return unencoded(fields) ?? readPart(transfer, range, fields, sizeMax);
  if (range !== undefined && status === 416) return readUnsatisfied(transfer, fields);
  return { type: "failed", failure: statusFailure(status) };
}

/** Why a length can't be that of a file we want. */
export function lengthFailure(length: number | undefined, sizeMax: number): SourceFailure | undefined {
  if (length === 0) return failure("SOURCE_EMPTY", "the file on the server is empty", false);
  if (length === undefined || length <= sizeMax) return undefined;
  return failure("SOURCE_TOO_LARGE", `${length} bytes on the server, at most ${sizeMax} are taken`, false);
}

/** 200: all of it from the first byte, whatever was asked for. (RFC 9110, 15.3.1) */
function readWhole(transfer: Transfer, fields: HttpFields, sizeMax: number): FileHead {
  const length = contentLength(fields);
  const wrong = lengthFailure(length, sizeMax);
  if (wrong !== undefined) return { type: "failed", failure: wrong };
  const size = length ?? transfer.size;
  const other =
    (transfer.validator !== undefined && compareValidator(transfer.validator, fields) === "other") ||
    (transfer.size !== undefined && size !== transfer.size);
  if (other && transfer.changed) return changedAgain();
  return {
    type: "receive",
    transfer: {
      ...transfer,
      size: other ? length : size,
      validator: strongValidator(fields),
      received: 0,
      furthest: other ? 0 : transfer.furthest,
      changed: transfer.changed || other,
    },
    bodyEnd: length,
  };
}

/** 206: exactly what was asked for, or the beginning of it. (RFC 9110, 15.3.7) */
function readPart(transfer: Transfer, range: AskedRange, fields: HttpFields, sizeMax: number): FileHead {
  const malformed = (reason: string): FileHead => ({
    type: "failed",
    failure: protocolFailure(reason, "RFC 9110, 15.3.7.1"),
  });
  const text = fields["content-range"];
  if (text === undefined) return malformed("206 without Content-Range");
  const part = parseContentRange(text);
  if (part.type === "malformed") return malformed(part.reason);
  if (part.type === "unsatisfied") return malformed("206 says that nothing of it is there");
  const { validator } = transfer;
  if (validator !== undefined && compareValidator(validator, fields) === "other") return restart(transfer);
  if (part.total !== undefined && transfer.size !== undefined && part.total !== transfer.size) return restart(transfer);
  const wrong = lengthFailure(part.total, sizeMax);
  if (wrong !== undefined) return { type: "failed", failure: wrong };
  if (part.first !== range.first) return malformed(`bytes from ${part.first}, asked for from ${range.first}`);
  if (part.last > (range.last ?? part.last))
    return malformed(`bytes up to ${part.last}, asked for up to ${range.last}`);
  if (part.last >= sizeMax) return malformed(`bytes up to ${part.last} of a file of at most ${sizeMax}`);
  return {
    type: "receive",
    transfer: { ...transfer, size: transfer.size ?? part.total },
    bodyEnd: part.last + 1,
  };
}

/** 416: nothing there to be had from that byte on. (RFC 9110, 15.5.17) */
function readUnsatisfied(transfer: Transfer, fields: HttpFields): FileHead {
  const told = parseContentRange(fields["content-range"] ?? "");
  const { received, size } = transfer;
  const isAll = told.type === "unsatisfied" && told.total === received && (size ?? received) === received;
  if (isAll && received > 0) return { type: "complete", transfer: { ...transfer, size: received } };
  return restart(transfer);
}

function restart(transfer: Transfer): FileHead {
  if (transfer.changed) return changedAgain();
  return {
    type: "restart",
    transfer: { ...transfer, size: undefined, validator: undefined, received: 0, furthest: 0, changed: true },
  };
}

const changedAgain = (): FileHead => ({
  type: "failed",
  failure: failure("SOURCE_CHANGED", "the file changed on the server again while it was being fetched", true),
});

/** Offsets count the bytes of the file itself; we ask for no coding, so there is to be none. (RFC 9110, 8.4) */
function unencoded(fields: HttpFields): FileHead | undefined {
  const coding = fields["content-encoding"];
  if (coding === undefined || coding.toLowerCase() === "identity") return undefined;
  return { type: "failed", failure: protocolFailure("the body is in a coding not asked for", "RFC 9110, 12.5.3") };
}
