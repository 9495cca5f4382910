import { seedKey } from "../../wire/seed-key.ts";
import { Nrc, Sid } from "../../wire/uds.ts";
import {
  type Answer,
  fromWork,
  NON_DEFAULT,
  negative,
  positive,
  type Service,
  type ServiceContext,
  WRONG_LENGTH,
} from "../service.ts";

const REQUEST_SEED = 0x01;
const SEND_KEY = 0x02;
const KEY_LENGTH = 4;

/**
 * 0x27, one security level. A seed is good for one key; asking again before a key was sent gives the same seed.
 * (ISO 14229-1:2020, 10.4 and Annex I)
 */
export const securityAccess: Service = {
  sid: Sid.SecurityAccess,
  sessions: NON_DEFAULT,
  unlocked: false,
  functional: false,
  subFunctions: new Map([
    [REQUEST_SEED, NON_DEFAULT],
    [SEND_KEY, NON_DEFAULT],
  ]),
  run(request, context) {
    return ((request[1] as number) & 0x7f) === REQUEST_SEED ? requestSeed(request, context) : sendKey(request, context);
  },
  /** A key that had to be counted first was right. */
  ended(succeeded, { memory }) {
    if (succeeded) memory.unlocked = true;
  },
};

function requestSeed(request: Uint8Array, { now, host, memory }: ServiceContext): Answer {
  if (request.length !== 2) return WRONG_LENGTH;
  const { delayUntil } = host.security;
  if (delayUntil !== undefined && now < delayUntil) return negative(Nrc.RequiredTimeDelayNotExpired);
  if (memory.unlocked) return positive(Sid.SecurityAccess, REQUEST_SEED, 0, 0, 0, 0);
  memory.seed ??= host.seed();
  const seed = memory.seed;
  return positive(
    Sid.SecurityAccess,
    REQUEST_SEED,
    seed >>> 24,
    (seed >>> 16) & 0xff,
    (seed >>> 8) & 0xff,
    seed & 0xff,
  );
}

function sendKey(request: Uint8Array, { now, config, host, memory }: ServiceContext): Answer {
  if (request.length !== 2 + KEY_LENGTH) return WRONG_LENGTH;
  if (memory.seed === undefined) return negative(Nrc.RequestSequenceError);
  const key = new DataView(request.buffer, request.byteOffset).getUint32(2);
  const expected = seedKey(config.seedKey, memory.seed);
  memory.seed = undefined;
  const work = host.security.keyReceived(key === expected, now);
  if (work.type === "done") memory.unlocked = true;
  return fromWork(work, Sid.SecurityAccess, [SEND_KEY]);
}
