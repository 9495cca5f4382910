import type { BenchError } from "../../emulator/kernel/errors.ts";
import type { Duration } from "../../emulator/kernel/time.ts";
import { DiagnosticNack } from "../../emulator/wire/doip.ts";
import { DtcSetting } from "../../emulator/wire/dtc.ts";
import { decodeImageHeader, IMAGE_HEADER_LENGTH } from "../../emulator/wire/image-header.ts";
import { seedKey } from "../../emulator/wire/seed-key.ts";
import { Did, imageStatusText, Nrc, Rid, Session } from "../../emulator/wire/uds.ts";
import { packVersion, versionText } from "../../emulator/wire/version.ts";
import { isNack, isNrc, isPassing, isSessionGone } from "./failure-rules.ts";
import type { Procedure, Step, UpdatePhase, Verdict } from "./procedure.ts";
import { NegativeResponseError } from "./uds-errors.ts";
import {
  blockLengthOf,
  communicationControl,
  dataText,
  dtcSetting,
  ecuReset,
  eraseOption,
  type MemoryRange,
  readData,
  requestDownload,
  requestSeed,
  routineStatus,
  seedOf,
  sendKey,
  sessionControl,
  startRoutine,
  transferData,
  transferExit,
  writeData,
} from "./uds-messages.ts";
import { UpdateError } from "./update-errors.ts";
import {
  BLOCK_LENGTH_MIN,
  BOOT_TRIES_MAX,
  COMMIT_TRIES_MAX,
  MESSAGE_MAX,
  RESETS_MAX,
  UPDATER_TIMING,
  type UpdaterConfig,
  type UpdaterTiming,
} from "./updater-config.ts";

export type UpdateCommand = "identify" | "program" | "activate" | "commit" | "revert" | "release";

/** What a run remembers from one row to the next. Plain data, replaced and never changed. */
export interface UpdateMemory {
  /** Held by reference; never changed. */
  readonly image?: Uint8Array;
  /** The seed that wants a key; 0 when there is none to be sent. */
  readonly seed: number;
  /** The programming session has to be entered before the rows that need it. */
  readonly enter: boolean;
  /** The longest 36 request that the way takes. */
  readonly requestMax: number;
  /** Data bytes of one block. */
  readonly blockLength: number;
  readonly offset: number;
  /** blockSequenceCounter of the block at `offset`. */
  readonly counter: number;
  readonly version: string;
  /** What ran before the activation. */
  readonly before: string;
  readonly serial: string;
  readonly hardwareVersion: string;
  /** The row whose answer did not come, so that nobody knows whether the ECU was reset. */
  readonly unanswered?: "dependencies" | "reset";
  /** The ECU is in its default session, and nobody knows whether it was a reset of ours that brought it there. */
  readonly unsure: boolean;
  readonly resets: number;
  /** Questions without an answer since the reset. */
  readonly silent: number;
  /** Answers without a gap since the software came up. */
  readonly steady: number;
}

const RESET_HARD = 0x01;
const LEVEL = 0x01;
/** controlType of 28. (ISO 14229-1:2020, Table 54) */
const ENABLE_RX_AND_TX = 0x00;
const DISABLE_RX_AND_TX = 0x03;

type Timing = UpdaterTiming & { readonly bootTriesMax: number };
type Row = Step<UpdateMemory>;
type Rows = Procedure<UpdateMemory>;
type Said = Verdict<UpdateMemory>;

const fail = (error: BenchError): Said => ({ go: "fail", error });
const on = (memory?: UpdateMemory): Said => (memory === undefined ? { go: "on" } : { go: "on", memory });
const to = (step: string, memory: UpdateMemory, after?: Duration): Said =>
  after === undefined ? { go: "to", step, memory } : { go: "to", step, memory, after };

/** What a run begins with. */
export function freshMemory(config: UpdaterConfig, command: UpdateCommand, image?: Uint8Array): UpdateMemory {
  return {
    ...(image === undefined ? {} : { image }),
    seed: 0,
    enter: command === "program",
    requestMax: Math.min(config.messageMax ?? MESSAGE_MAX, MESSAGE_MAX),
    blockLength: 0,
    offset: 0,
    counter: 1,
    version: "",
    before: "",
    unsure: false,
    serial: "",
    hardwareVersion: "",
    resets: 0,
    silent: 0,
    steady: 0,
  };
}

/** What is left of it when the procedure starts over: the ECU has forgotten the session, so all of it is done again. */
export const memoryForAnotherAttempt = (memory: UpdateMemory): UpdateMemory => {
  const { unanswered: _, ...rest } = memory;
  return { ...rest, unsure: false, seed: 0, enter: true, offset: 0, counter: 1, steady: 0 };
};

/** Why an image must not be sent to that ECU; looked at before anything is asked of the ECU. */
export function imageFault(config: UpdaterConfig, image: Uint8Array): UpdateError | undefined {
  if (image.length > config.memory.size) {
    const reason = `an image of ${image.length} bytes, the bank has ${config.memory.size}`;
    return new UpdateError("UPDATE_IMAGE_TOO_LARGE", reason);
  }
  const decoded = decodeImageHeader(image);
  if (decoded.type === "malformed") return new UpdateError("UPDATE_IMAGE_MALFORMED", decoded.reason);
  const { ecu, size } = decoded.header;
  if (image.length !== IMAGE_HEADER_LENGTH + size) {
    const reason = `${image.length - IMAGE_HEADER_LENGTH} bytes of code, the header says ${size}`;
    return new UpdateError("UPDATE_IMAGE_MALFORMED", reason);
  }
  if (ecu === config.ecu) return undefined;
  return new UpdateError("UPDATE_IMAGE_FOR_OTHER_ECU", `the image is for ${ecu}, this is ${config.ecu}`);
}

/** The procedures of one ECU, row by row. (docs/protocols/ecu.md, programming sequence) */
export function updateProcedures(config: UpdaterConfig): Readonly<Record<UpdateCommand, Rows>> {
  const { bootTriesMax = BOOT_TRIES_MAX } = config;
  const timing: Timing = { ...UPDATER_TIMING, ...config.timing, bootTriesMax };
  const session = (name: string, phase: UpdatePhase, type: Session): Row => ({
    name,
    phase,
    ask: () => sessionControl(type),
    repeatable: type !== Session.Programming,
  });
  const extended = session("extendedSession", "session", Session.Extended);
  const programming = session("programmingSession", "session", Session.Programming);
  const defaultSession = session("defaultSession", "session", Session.Default);
  const entering = [...only(needsEntry, [programming, ...unlock(config, "Programming")])];
  const boot = bootRow(timing);
  const [quiet, loud] = config.quiet === false ? [[], []] : [quietRows(), loudRows()];
  return {
    identify: [
      { ...readRow("version", Did.SoftwareVersion, keepVersion), failed: () => undefined },
      readRow("serial", Did.SerialNumber, (memory, serial) => ({ ...memory, serial })),
      readRow("hardware", Did.HardwareVersion, (memory, hardwareVersion) => ({ ...memory, hardwareVersion })),
    ],
    program: [hardwareRow(), extended, ...quiet, ...unlock(config, "Extended"), ...entering, ...downloadRows(config)],
    activate: [
      { ...readRow("before", Did.SoftwareVersion, (memory, before) => ({ ...memory, before })), phase: "activate" },
      ...only(needsEntry, [extended, ...quiet, ...unlock(config, "Extended")]),
      ...entering,
      dependenciesRow(timing),
      resetRow(timing),
      probeRow(timing),
      boot,
      soakRow(timing),
    ],
    commit: [
      extended,
      ...unlock(config, "Extended"),
      ...entering,
      commitRow(timing),
      ...loud,
      { ...defaultSession, phase: "confirm", failed: () => on() },
    ],
    revert: [
      extended,
      ...unlock(config, "Extended"),
      ...entering,
      revertRow(),
      resetRow(timing),
      probeRow(timing),
      boot,
    ],
    release: [{ ...defaultSession, givesUp: true }],
  };
}

/** Nobody is to take the silence of an ECU that is programmed for a fault, and it none for its own. */
const quietRows = (): Rows =>
  [
    { name: "dtcsOff", request: dtcSetting(DtcSetting.Off) },
    { name: "messagesOff", request: communicationControl(DISABLE_RX_AND_TX) },
  ].map(({ name, request }) => ({
    name,
    phase: "session",
    ask: () => request,
    repeatable: true,
    failed: (_, error) => {
      const refuses = error instanceof NegativeResponseError && !isNrc(error, Nrc.BusyRepeatRequest);
      return refuses ? on() : undefined;
    },
  }));

/** The reset has taken it back already, in an ECU that does as the standard says. */
const loudRows = (): Rows =>
  [
    { name: "messagesOn", request: communicationControl(ENABLE_RX_AND_TX) },
    { name: "dtcsOn", request: dtcSetting(DtcSetting.On) },
  ].map(({ name, request }) => ({ name, phase: "confirm", ask: () => request, failed: () => on() }));

const needsEntry = (memory: UpdateMemory): boolean => memory.enter;

/** The rows, passed over when `condition` says no. */
const only = (condition: (memory: UpdateMemory) => boolean, rows: Rows): Rows =>
  rows.map((row) => ({ ...row, when: (memory) => condition(memory) && (row.when?.(memory) ?? true) }));

/** Seed and key. A seed of zeros says that it is open already. (ISO 14229-1:2020, 10.4) */
function unlock(config: UpdaterConfig, place: string): Rows {
  return [
    {
      name: `seed${place}`,
      phase: "security",
      ask: () => requestSeed(LEVEL),
      repeatable: true,
      answered: (memory, response) => {
        const seed = seedOf(response);
        return typeof seed === "number" ? on({ ...memory, seed }) : fail(seed);
      },
    },
    {
      name: `key${place}`,
      phase: "security",
      when: ({ seed }) => seed !== 0,
      ask: ({ seed }) => sendKey(LEVEL, seedKey(config.seedKey, seed)),
      answered: (memory) => on({ ...memory, seed: 0 }),
    },
  ];
}

/** A DID that an ECU need not have. */
const readRow = (name: string, did: number, keep: (memory: UpdateMemory, text: string) => UpdateMemory): Row => ({
  name,
  phase: "identify",
  ask: () => readData(did),
  repeatable: true,
  givesUp: true,
  answered: (memory, response) => on(keep(memory, dataText(response))),
  failed: (_, error) => (isNrc(error, Nrc.RequestOutOfRange) ? on() : undefined),
});

const keepVersion = (memory: UpdateMemory, version: string): UpdateMemory => ({ ...memory, version });

/** Compared before anything is erased. An ECU that does not say what hardware it is has to judge for itself. */
const hardwareRow = (): Row => ({
  name: "hardware",
  phase: "session",
  ask: () => readData(Did.HardwareVersion),
  repeatable: true,
  answered: (memory, response) => {
    const fault = hardwareFault(memory.image, dataText(response));
    return fault === undefined ? on() : fail(fault);
  },
  failed: (_, error) => {
    const refuses = error instanceof NegativeResponseError && !isNrc(error, Nrc.BusyRepeatRequest);
    return refuses ? on() : undefined;
  },
});

function hardwareFault(image: Uint8Array | undefined, hardware: string): UpdateError | undefined {
  const decoded = image === undefined ? undefined : decodeImageHeader(image);
  const packed = packVersion(hardware);
  if (decoded?.type !== "imageHeader" || packed === undefined || decoded.header.hardwareVersion === packed) {
    return undefined;
  }
  const wanted = versionText(decoded.header.hardwareVersion);
  const reason = `the image is for hardware ${wanted}, this is ${hardware}`;
  return new UpdateError("UPDATE_IMAGE_FOR_OTHER_HARDWARE", reason);
}

function downloadRows(config: UpdaterConfig): Rows {
  const range = ({ image }: UpdateMemory): MemoryRange => ({
    address: config.memory.address,
    size: image?.length ?? 0,
  });
  return [
    {
      name: "fingerprint",
      phase: "security",
      ask: () => writeData(Did.Fingerprint, config.fingerprint),
      repeatable: true,
    },
    {
      name: "erase",
      phase: "erase",
      ask: (memory) => startRoutine(Rid.EraseMemory, eraseOption(range(memory))),
      answered: (_, response) => {
        const status = routineStatus(response) ?? 0;
        return status === 0 ? on() : { go: "over", error: statusError("UPDATE_ERASE_FAILED", "erase", status) };
      },
      failed: (_, error) => (isNrc(error, Nrc.GeneralProgrammingFailure) ? { go: "over", error } : undefined),
    },
    {
      name: "download",
      phase: "transfer",
      ask: (memory) => requestDownload(range(memory)),
      answered: (memory, response) => {
        const length = blockLengthOf(response);
        if (typeof length !== "number") return fail(length);
        return on({ ...memory, blockLength: Math.min(length, memory.requestMax) - 2, offset: 0, counter: 1 });
      },
    },
    transferRow(),
    {
      name: "transferExit",
      phase: "transfer",
      ask: () => transferExit(),
      failed: (_, error) => (isTransferFailure(error) ? { go: "over", error } : undefined),
    },
    {
      name: "checkMemory",
      phase: "check",
      ask: () => startRoutine(Rid.CheckMemory),
      repeatable: true,
      answered: (_, response) => {
        const status = routineStatus(response);
        return status === 0 ? on() : fail(statusError("UPDATE_CHECK_FAILED", "memory check", status));
      },
    },
  ];
}

/** A block that gets no answer is sent again with its counter; one that is refused is never followed by the next. */
const transferRow = (): Row => ({
  name: "transfer",
  phase: "transfer",
  ask: ({ image = NO_IMAGE, offset, blockLength, counter }) =>
    transferData(counter, image.subarray(offset, offset + blockLength)),
  repeatable: true,
  answered: (memory) => {
    const { image = NO_IMAGE, blockLength } = memory;
    const offset = Math.min(memory.offset + blockLength, image.length);
    const next = { ...memory, offset, counter: (memory.counter + 1) & 0xff };
    return offset < image.length ? to("transfer", next) : on(next);
  },
  failed: (memory, error) => {
    if (isTransferFailure(error)) return { go: "over", error };
    if (!isNack(error, DiagnosticNack.MessageTooLarge)) return undefined;
    const requestMax = Math.floor((memory.blockLength + 2) / 2);
    return requestMax < BLOCK_LENGTH_MIN ? fail(error) : { go: "over", error, memory: { ...memory, requestMax } };
  },
});

const NO_IMAGE = new Uint8Array(0);

const isTransferFailure = (error: BenchError): boolean =>
  isNrc(error, Nrc.TransferDataSuspended, Nrc.GeneralProgrammingFailure, Nrc.WrongBlockSequenceCounter);

const dependenciesRow = (timing: Timing): Row => ({
  name: "dependencies",
  phase: "activate",
  ask: () => startRoutine(Rid.CheckProgrammingDependencies),
  answered: (_, response) => {
    const status = routineStatus(response);
    return status === 0 ? on() : fail(statusError("UPDATE_DEPENDENCIES_NOT_MET", "dependencies", status));
  },
  failed: (memory, error) => {
    // Some ECUs reset themselves instead of answering; whether this one did is asked, not guessed.
    if (isPassing(error)) return to("probe", { ...memory, unanswered: "dependencies" }, timing.bootDelay);
    const gone = isSessionGone(error) || isNrc(error, Nrc.RequestOutOfRange);
    return gone && !memory.enter ? to("extendedSession", { ...memory, enter: true }) : undefined;
  },
});

const resetRow = (timing: Timing): Row => ({
  name: "reset",
  phase: "activate",
  ask: () => ecuReset(RESET_HARD),
  answered: (memory) => on(withoutUnanswered(memory)),
  failed: (memory, error) =>
    isPassing(error) ? to("probe", { ...memory, unanswered: "reset" }, timing.bootDelay) : undefined,
});

/** Was the ECU reset? After a reset it is in its default session. */
const probeRow = (timing: Timing): Row => ({
  name: "probe",
  phase: "activate",
  when: ({ unanswered }) => unanswered !== undefined,
  ask: () => readData(Did.ActiveSession),
  answered: (memory, response) => {
    const { unanswered = "reset", resets } = memory;
    if (response[3] === Session.Default) return on({ ...withoutUnanswered(memory), unsure: true });
    if (resets < RESETS_MAX) return to(unanswered, { ...withoutUnanswered(memory), resets: resets + 1 });
    return fail(new UpdateError("UPDATE_RESET_FAILED", `session 0x${response[3]?.toString(16)} after a reset`));
  },
  failed: (memory, error) =>
    isNrc(error, Nrc.RequestOutOfRange) ? on(withoutUnanswered(memory)) : patience("probe", memory, error, timing),
});

function withoutUnanswered(memory: UpdateMemory): UpdateMemory {
  const { unanswered: _, ...rest } = memory;
  return rest;
}

/**
 * Asks until the ECU has started. When it answers as before, and our reset is not certain, it may have left the session by
 * itself (a power cut, S3): the activation is then done once more.
 */
const bootRow = (timing: Timing): Row => ({
  name: "boot",
  phase: "activate",
  pause: timing.bootDelay,
  ask: () => readData(Did.SoftwareVersion),
  answered: (memory, response) => {
    const version = dataText(response);
    const found = { ...memory, version, unsure: false, steady: 0 };
    const undone = memory.unsure && !memory.enter && version === memory.before;
    return undone ? to("extendedSession", { ...found, enter: true }) : on(found);
  },
  failed: (memory, error) => patience("boot", memory, error, timing),
});

/** New software that crashes answers for a while: it counts when it has answered alike, without a gap, long enough. */
const soakRow = (timing: Timing): Row => ({
  name: "soak",
  phase: "confirm",
  pause: timing.soakInterval,
  ask: () => readData(Did.SoftwareVersion),
  answered: (memory, response) => {
    const version = dataText(response);
    if (version !== memory.version) {
      const { silent } = memory;
      const changed = { ...memory, version, steady: 0, silent: silent + 1 };
      if (silent < timing.bootTriesMax) return to("soak", changed, timing.soakInterval);
      return fail(new UpdateError("UPDATE_UNSTEADY", `it answers ${memory.version}, then ${version}`));
    }
    const next = { ...memory, steady: memory.steady + 1 };
    const over = next.steady * timing.soakInterval >= timing.soak;
    return over ? on(next) : to("soak", next, timing.soakInterval);
  },
  failed: (memory, error) => patience("boot", memory, error, timing),
});

/** An ECU that starts may be silent, unreachable or busy; the connection to its gateway may come and go. */
function patience(step: string, memory: UpdateMemory, error: BenchError, timing: Timing): Said | undefined {
  const passing = isPassing(error) || isNrc(error, Nrc.BusyRepeatRequest, Nrc.ConditionsNotCorrect);
  if (!passing) return undefined;
  if (memory.silent >= timing.bootTriesMax) return fail(error);
  return to(step, { ...memory, silent: memory.silent + 1, steady: 0 }, timing.bootRetryDelay);
}

/** An ECU wants these routines in one session or another; the extended one is tried first. */
const wantsProgramming = (memory: UpdateMemory, error: BenchError): boolean =>
  !memory.enter && (isSessionGone(error) || isNrc(error, Nrc.RequestOutOfRange));

const commitRow = (timing: Timing): Row => ({
  name: "commit",
  phase: "confirm",
  ask: () => startRoutine(Rid.CommitSoftware),
  repeatable: true,
  answered: (_, response) => {
    const status = routineStatus(response) ?? 0;
    return status === 0 ? on() : fail(statusError("UPDATE_COMMIT_FAILED", "commit", status));
  },
  failed: (memory, error) => {
    if (wantsProgramming(memory, error)) return to("programmingSession", { ...memory, enter: true });
    if (!isNrc(error, Nrc.ConditionsNotCorrect)) return undefined;
    return { go: "again", error, max: COMMIT_TRIES_MAX, after: timing.commitDelay, otherwise: "fail" };
  },
});

/** An ECU that has nothing to go back to, or has gone back by itself, refuses; what it runs is asked in any case. */
const revertRow = (): Row => ({
  name: "revert",
  phase: "activate",
  ask: () => startRoutine(Rid.RevertSoftware),
  repeatable: true,
  answered: (_, response) => {
    const status = routineStatus(response) ?? 0;
    return status === 0 ? on() : fail(statusError("UPDATE_REVERT_FAILED", "revert", status));
  },
  failed: (memory, error) => {
    if (wantsProgramming(memory, error)) return to("programmingSession", { ...memory, enter: true });
    const nothing = isNrc(error, Nrc.ConditionsNotCorrect, Nrc.RequestOutOfRange, Nrc.RequestSequenceError);
    return nothing ? to("boot", memory) : undefined;
  },
});

function statusError(code: UpdateError["code"], what: string, status: number | undefined): UpdateError {
  const shown = status === undefined ? "no status" : imageStatusText(status);
  return new UpdateError(code, `${what}: ${shown}`);
}
