import { Nrc, Sid } from "../../wire/uds.ts";
import { fromWork, negative, PROGRAMMING, type Service, WRONG_LENGTH } from "../service.ts";
import { transferEnd } from "./data-transfer.ts";

/** 0x37. With data missing the answer is NRC 0x24 and the download goes on. (ISO 14229-1:2020, 14.5) */
export const requestTransferExit: Service = {
  sid: Sid.RequestTransferExit,
  sessions: PROGRAMMING,
  unlocked: true,
  functional: false,
  subFunctions: "none",
  run(request, context) {
    const { host, memory, now } = context;
    if (request.length !== 1) return WRONG_LENGTH;
    if (memory.transfer !== undefined) return transferEnd(memory.transfer, context);
    const download = memory.download;
    if (download === undefined || download.received < download.size) return negative(Nrc.RequestSequenceError);
    memory.download = undefined;
    return fromWork(host.transferExit(now), Sid.RequestTransferExit, []);
  },
};
