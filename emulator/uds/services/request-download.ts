import { Nrc, Sid } from "../../wire/uds.ts";
import { fromWork, negative, PROGRAMMING, type Service, WRONG_LENGTH } from "../service.ts";
import { readAddressAndSize } from "./address-and-size.ts";

const NO_COMPRESSION_NO_ENCRYPTION = 0x00;
const ALFI_OFFSET = 2;
/** lengthFormatIdentifier: maxNumberOfBlockLength comes in two bytes. */
const LENGTH_FORMAT = 0x20;

/** 0x34. A second request while a download is under way is NRC 0x22. (ISO 14229-1:2020, 14.2 and Figure 33) */
export const requestDownload: Service = {
  sid: Sid.RequestDownload,
  sessions: PROGRAMMING,
  unlocked: true,
  functional: false,
  subFunctions: "none",
  run(request, { config, host, memory, now }) {
    if (request.length <= ALFI_OFFSET) return WRONG_LENGTH;
    if (request[1] !== NO_COMPRESSION_NO_ENCRYPTION) return negative(Nrc.RequestOutOfRange);
    const range = readAddressAndSize(request, ALFI_OFFSET);
    if (range.type === "formatInvalid") return negative(Nrc.RequestOutOfRange);
    if (range.type === "tooShort" || request.length !== ALFI_OFFSET + range.length) return WRONG_LENGTH;
    if (memory.download !== undefined || memory.transfer !== undefined) return negative(Nrc.ConditionsNotCorrect);
    const { address, size } = range;
    const work = host.requestDownload(address, size, now);
    if (work.type !== "refused") {
      memory.download = { address, size, received: 0, lastCounter: 0, blocks: 0 };
    }
    const block = config.maxNumberOfBlockLength;
    return fromWork(work, Sid.RequestDownload, [LENGTH_FORMAT, block >>> 8, block & 0xff]);
  },
};
