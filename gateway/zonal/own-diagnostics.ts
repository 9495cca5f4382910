import {
  NEGATIVE_RESPONSE,
  Nrc,
  POSITIVE_RESPONSE_OFFSET,
  Sid,
  SUPPRESS_POSITIVE_RESPONSE,
} from "../../emulator/wire/uds.ts";

/** What the gateway itself answers as a UDS server: 0x3E, and nothing else. Undefined when nothing is to be answered. */
export function answerOwnRequest(request: Uint8Array): Uint8Array | undefined {
  const sid = request[0] as number;
  const negative = (nrc: Nrc): Uint8Array => Uint8Array.of(NEGATIVE_RESPONSE, sid, nrc);
  if (sid !== Sid.TesterPresent) return negative(Nrc.ServiceNotSupported);
  if (request.length !== 2) return negative(Nrc.IncorrectMessageLengthOrInvalidFormat);
  const subFunction = request[1] as number;
  if ((subFunction & ~SUPPRESS_POSITIVE_RESPONSE) !== 0) return negative(Nrc.SubFunctionNotSupported);
  const suppressed = (subFunction & SUPPRESS_POSITIVE_RESPONSE) !== 0;
  return suppressed ? undefined : Uint8Array.of(sid + POSITIVE_RESPONSE_OFFSET, 0);
}
