import { Nrc, Sid } from "../../wire/uds.ts";
import { type Answer, fromWork, negative, PROGRAMMING, positive, type Service, WRONG_LENGTH } from "../service.ts";
import { transferBlock } from "./data-transfer.ts";

const DATA_OFFSET = 2;

/**
 * 0x36. The counter goes from FF to 00. The last block may come again (its answer was lost) and is then answered, not
 * written. A wrong counter, too much data or a failure to program ends the download. (ISO 14229-1:2020, 14.4)
 */
export const transferData: Service = {
  sid: Sid.TransferData,
  sessions: PROGRAMMING,
  unlocked: true,
  functional: false,
  subFunctions: "none",
  run(request, context) {
    const { config, host, memory, now } = context;
    if (request.length < DATA_OFFSET) return WRONG_LENGTH;
    if (memory.transfer !== undefined) return transferBlock(request, memory.transfer, context);
    const download = memory.download;
    if (download === undefined) return negative(Nrc.RequestSequenceError);
    const length = request.length - DATA_OFFSET;
    if (length === 0 || request.length > config.maxNumberOfBlockLength) return WRONG_LENGTH;
    const counter = request[1] as number;
    const abandon = (nrc: Nrc): Answer => {
      memory.download = undefined;
      return negative(nrc);
    };
    if (counter === download.lastCounter && download.blocks > 0) return positive(Sid.TransferData, counter);
    if (counter !== ((download.lastCounter + 1) & 0xff)) return abandon(Nrc.WrongBlockSequenceCounter);
    if (download.received + length > download.size) return abandon(Nrc.TransferDataSuspended);
    const work = host.transferData(download.received, request.subarray(DATA_OFFSET), now);
    if (work.type === "refused") return abandon(work.nrc);
    memory.download = {
      ...download,
      received: download.received + length,
      lastCounter: counter,
      blocks: download.blocks + 1,
    };
    return fromWork(work, Sid.TransferData, [counter]);
  },
  ended(succeeded, { memory }) {
    if (succeeded) return;
    memory.download = undefined;
    memory.transfer = undefined;
  },
};
