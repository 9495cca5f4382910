import { NO_TIME, s } from "../../kernel/time.ts";
import { Nrc, Sid } from "../../wire/uds.ts";
import {
  ALL_SESSIONS,
  type Answer,
  fromWork,
  negative,
  positive,
  ResetType,
  type Service,
  type ServiceContext,
  WRONG_LENGTH,
} from "../service.ts";

const ENABLE_RAPID_POWER_SHUT_DOWN = 0x04;
const DISABLE_RAPID_POWER_SHUT_DOWN = 0x05;

/** 0x11: answers first, then resets. (ISO 14229-1:2020, 10.3) */
export const ecuReset: Service = {
  sid: Sid.EcuReset,
  sessions: ALL_SESSIONS,
  unlocked: false,
  functional: true,
  subFunctions: new Map<number, typeof ALL_SESSIONS>([
    [ResetType.HardReset, ALL_SESSIONS],
    [ResetType.KeyOffOnReset, ALL_SESSIONS],
    [ResetType.SoftReset, ALL_SESSIONS],
    [ENABLE_RAPID_POWER_SHUT_DOWN, ALL_SESSIONS],
    [DISABLE_RAPID_POWER_SHUT_DOWN, ALL_SESSIONS],
  ]),
  run(request, context) {
    const type = (request[1] as number) & 0x7f;
    if (type >= ENABLE_RAPID_POWER_SHUT_DOWN) return rapidPowerShutDown(type, request, context);
    if (request.length !== 2) return WRONG_LENGTH;
    return fromWork(context.host.prepareReset(context.now), Sid.EcuReset, [type], type as ResetType);
  },
};

/** Nothing is reset now: the next keyOffOnReset goes the quick way. The answer to 04 tells how long that takes. */
function rapidPowerShutDown(type: number, request: Uint8Array, { config, memory }: ServiceContext): Answer {
  const { powerDown } = config;
  if (powerDown === undefined) return negative(Nrc.SubFunctionNotSupported);
  if (request.length !== 2) return WRONG_LENGTH;
  memory.rapidPowerShutDown = type === ENABLE_RAPID_POWER_SHUT_DOWN;
  return memory.rapidPowerShutDown
    ? positive(Sid.EcuReset, type, powerDown.rapidSeconds)
    : positive(Sid.EcuReset, type);
}

/** How long the ECU stays down in this reset. */
export function downTime(resetType: ResetType, { config, memory }: Pick<ServiceContext, "config" | "memory">) {
  const { powerDown } = config;
  if (resetType !== ResetType.KeyOffOnReset || powerDown === undefined) return NO_TIME;
  return memory.rapidPowerShutDown ? s(powerDown.rapidSeconds) : powerDown.afterRun;
}
