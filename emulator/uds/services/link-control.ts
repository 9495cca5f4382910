import { Nrc, Sid } from "../../wire/uds.ts";
import {
  type Answer,
  NON_DEFAULT,
  negative,
  positive,
  type Service,
  type ServiceContext,
  WRONG_LENGTH,
} from "../service.ts";

/** linkControlType. (ISO 14229-1:2020, Table 171) */
const VERIFY_FIXED = 0x01;
const VERIFY_SPECIFIC = 0x02;
const TRANSITION = 0x03;

/** linkControlModeIdentifier, bit/s. (ISO 14229-1:2020, Table B.3) */
const FIXED_RATES: ReadonlyMap<number, number> = new Map([
  [0x01, 9_600],
  [0x02, 19_200],
  [0x03, 38_400],
  [0x04, 57_600],
  [0x05, 115_200],
  [0x10, 125_000],
  [0x11, 250_000],
  [0x12, 500_000],
  [0x13, 1_000_000],
]);

/**
 * 0x87. A bit rate is verified, then gone over to; the answer to the transition still goes out at the old one. Each
 * transition wants a verification of its own. The default session brings back the old rate. (ISO 14229-1:2020, 10.12)
 */
export const linkControl: Service = {
  sid: Sid.LinkControl,
  sessions: NON_DEFAULT,
  unlocked: false,
  functional: true,
  subFunctions: new Map([
    [VERIFY_FIXED, NON_DEFAULT],
    [VERIFY_SPECIFIC, NON_DEFAULT],
    [TRANSITION, NON_DEFAULT],
  ]),
  run(request, context) {
    const type = (request[1] as number) & 0x7f;
    if (type === TRANSITION) return transition(request, context);
    if (type === VERIFY_FIXED) {
      return request.length === 3 ? verify(type, FIXED_RATES.get(request[2] as number), context) : WRONG_LENGTH;
    }
    if (request.length !== 5) return WRONG_LENGTH;
    const rate = (request[2] as number) * 0x1_0000 + (request[3] as number) * 0x100 + (request[4] as number);
    return verify(type, rate, context);
  },
};

function verify(type: number, rate: number | undefined, { config, memory }: ServiceContext): Answer {
  if (rate === undefined || !config.linkBitRates.includes(rate)) return negative(Nrc.RequestOutOfRange);
  memory.link = { ...memory.link, verified: rate };
  return positive(Sid.LinkControl, type);
}

function transition(request: Uint8Array, { memory }: ServiceContext): Answer {
  if (request.length !== 2) return WRONG_LENGTH;
  const { verified } = memory.link;
  if (verified === undefined) return negative(Nrc.RequestSequenceError);
  memory.link = { bitRate: verified };
  return positive(Sid.LinkControl, TRANSITION);
}
