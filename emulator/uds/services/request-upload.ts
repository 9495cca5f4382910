import { Nrc, Sid } from "../../wire/uds.ts";
import { memoryNrc } from "../identifiers.ts";
import { negative, PROGRAMMING, positive, type Service, WRONG_LENGTH } from "../service.ts";
import { readAddressAndSize } from "./address-and-size.ts";
import { blockLengthOf } from "./data-transfer.ts";

const NO_COMPRESSION_NO_ENCRYPTION = 0x00;
const ALFI_OFFSET = 2;
/** lengthFormatIdentifier: maxNumberOfBlockLength comes in two bytes. */
const LENGTH_FORMAT = 0x20;

/** 0x35: what may be read with 23 may be uploaded. (ISO 14229-1:2020, 14.3 and Figure 33) */
export const requestUpload: Service = {
  sid: Sid.RequestUpload,
  sessions: PROGRAMMING,
  unlocked: true,
  functional: false,
  subFunctions: "none",
  offered: ({ dataHost }) => dataHost !== undefined,
  run(request, context) {
    const { config, memory } = context;
    if (request.length <= ALFI_OFFSET) return WRONG_LENGTH;
    if (request[1] !== NO_COMPRESSION_NO_ENCRYPTION) return negative(Nrc.RequestOutOfRange);
    const range = readAddressAndSize(request, ALFI_OFFSET);
    if (range.type === "formatInvalid") return negative(Nrc.RequestOutOfRange);
    if (range.type === "tooShort" || request.length !== ALFI_OFFSET + range.length) return WRONG_LENGTH;
    const nrc = memoryNrc(range, "read", context);
    if (nrc !== undefined) return negative(nrc);
    if (memory.download !== undefined || memory.transfer !== undefined) return negative(Nrc.ConditionsNotCorrect);
    memory.transfer = {
      direction: "upload",
      source: { type: "memory", address: range.address },
      size: range.size,
      done: 0,
      lastCounter: 0,
      lastOffset: 0,
      blocks: 0,
    };
    const block = blockLengthOf(config);
    return positive(Sid.RequestUpload, LENGTH_FORMAT, block >>> 8, block & 0xff);
  },
};
