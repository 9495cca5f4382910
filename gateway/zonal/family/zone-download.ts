import type { Stateful } from "../../../emulator/kernel/machine.ts";
import { crc32 } from "../../../emulator/wire/crc32.ts";
import { Nrc, POSITIVE_RESPONSE_OFFSET, Sid } from "../../../emulator/wire/uds.ts";
import { ZONE_PACKAGE_MAGIC } from "../../package/zone-package.ts";
import { NOTHING, type Received, refusal, wholeOf, withPiece } from "./download.ts";

export type ZoneDownloadState =
  | { readonly name: "idle" }
  | { readonly name: "receiving"; readonly size: number; readonly received: Received; readonly doubled: boolean }
  /** Well or badly; only a restart leads back. */
  | { readonly name: "finished" };

const SIZE_MAX = 32 * 1024 * 1024;
const HEADER_LENGTH = 0x100;
const CRC_OFFSET = 36;
/** The original's checksum starts anew at each of these. */
const CRC_PIECE = 4096;
const REQUEST_LENGTH = 5;

/** Downloads of zone packages as gateway 1.1.3 takes them. (docs/protocols/zonal-gateway.md) */
export class ZoneDownload implements Stateful<ZoneDownloadState> {
  readonly #doubledSids: boolean;
  #state: ZoneDownloadState = { name: "idle" };

  constructor(doubledSids: boolean) {
    this.#doubledSids = doubledSids;
  }

  reset(): void {
    this.#state = { name: "idle" };
  }

  /** `34 size32` @returns the whole answer */
  begin(request: Uint8Array): Uint8Array {
    const doubled = this.#doubledSids && request.length > REQUEST_LENGTH && request[1] === Sid.RequestDownload;
    const plain = doubled ? request.subarray(1) : request;
    if (plain.length < REQUEST_LENGTH) {
      return refusal(Sid.RequestDownload, Nrc.IncorrectMessageLengthOrInvalidFormat);
    }
    const size = new DataView(plain.buffer, plain.byteOffset).getUint32(1);
    if (this.#state.name !== "idle" || size > SIZE_MAX) {
      return refusal(Sid.RequestDownload, Nrc.UploadDownloadNotAccepted);
    }
    this.#state = { name: "receiving", size, received: NOTHING, doubled };
    return Uint8Array.of(Sid.RequestDownload + POSITIVE_RESPONSE_OFFSET);
  }

  /** `36 counter data`: the counter is repeated in the answer and not looked at. */
  take(request: Uint8Array): Uint8Array {
    const state = this.#state;
    if (state.name !== "receiving") return refusal(Sid.TransferData, Nrc.GeneralProgrammingFailure);
    const plain = state.doubled ? request.subarray(1) : request;
    const counter = plain[1];
    if (counter === undefined) return refusal(Sid.TransferData, Nrc.IncorrectMessageLengthOrInvalidFormat);
    this.#state = { ...state, received: withPiece(state.received, plain.slice(2), state.size) };
    return Uint8Array.of(Sid.TransferData + POSITIVE_RESPONSE_OFFSET, counter);
  }

  end(): Uint8Array {
    const state = this.#state;
    if (state.name !== "receiving") return refusal(Sid.RequestTransferExit, Nrc.GeneralProgrammingFailure);
    this.#state = { name: "finished" };
    const good = state.received.length === state.size && isZonePackage(wholeOf(state.received));
    return good
      ? Uint8Array.of(Sid.RequestTransferExit + POSITIVE_RESPONSE_OFFSET)
      : refusal(Sid.RequestTransferExit, Nrc.GeneralProgrammingFailure);
  }

  save(): ZoneDownloadState {
    return this.#state;
  }

  load(state: ZoneDownloadState): void {
    this.#state = state;
  }
}

/** Magic and checksum, which the original takes of the last piece of 4096 bytes only. */
function isZonePackage(data: Uint8Array): boolean {
  if (data.length <= HEADER_LENGTH) return false;
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  if (view.getUint32(0, true) !== ZONE_PACKAGE_MAGIC) return false;
  const body = data.subarray(HEADER_LENGTH);
  const last = Math.floor((body.length - 1) / CRC_PIECE) * CRC_PIECE;
  return view.getUint32(CRC_OFFSET, true) === crc32(body.subarray(last));
}
