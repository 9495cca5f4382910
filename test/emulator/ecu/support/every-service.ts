import { Prng } from "../../../../emulator/kernel/prng.ts";
import type { UdsConfig } from "../../../../emulator/uds/config.ts";
import { nodeCrypto } from "../../../../hil/crypto/node-crypto.ts";
import { bytes, EcuBench, hex, smallEcu } from "./ecu-bench.ts";

export type SessionName = "default" | "extended" | "programming";
export const SESSIONS: readonly SessionName[] = ["default", "extended", "programming"];

const HMAC_KEY = new Prng("every service").bytes(32);
const ERASE = "31 01 ff 00";
const DOWNLOAD = "34 00 44 800d2000 00001000";

/** 22 F186, or what else is given, inside 0x84. */
export function securedRequest(inner: string, counter = 1): string {
  const head = `84 0069 00 0020 ${counter.toString(16).padStart(4, "0")} ${inner}`;
  return `${head} ${hex(nodeCrypto.hmacSha256(HMAC_KEY, bytes(head)))}`;
}

/** An ECU that has all services. */
export function wholeEcu(uds: Partial<UdsConfig> = {}): EcuBench {
  return EcuBench.running(
    smallEcu({
      uds: {
        authentication: { services: [], challengeResponse: { type: "symmetric", key: HMAC_KEY } },
        secured: { services: [], hmacSha256Key: HMAC_KEY },
        ...uds,
      },
    }),
  );
}

/** One service and a request that it carries out. */
export interface Example {
  readonly name: string;
  /** Where it is carried out. */
  readonly session: SessionName;
  readonly unlocked: boolean;
  /** What has to come first. */
  readonly before?: readonly string[];
  readonly request: string;
  /** How the positive response begins. */
  readonly response: string;
  /** The answer to one byte more; 13 unless told. */
  readonly longer?: string;
  /** The answer to fewer bytes, by how many there are; 13 unless told. */
  readonly shorter?: Readonly<Record<number, string>>;
  /** Its second byte is a sub-function. */
  readonly subFunction?: boolean;
}

export const EXAMPLES: readonly Example[] = [
  {
    name: "DiagnosticSessionControl",
    session: "default",
    unlocked: false,
    request: "10 03",
    response: "50 03",
    subFunction: true,
  },
  { name: "ECUReset", session: "default", unlocked: false, request: "11 03", response: "51 03", subFunction: true },
  // one byte more is MemorySelection, of a memory that is not there
  {
    name: "ClearDiagnosticInformation",
    session: "default",
    unlocked: false,
    request: "14 ff ff ff",
    response: "54",
    longer: "31",
  },
  {
    name: "ReadDTCInformation",
    session: "default",
    unlocked: false,
    request: "19 02 ff",
    response: "59 02",
    subFunction: true,
  },
  { name: "ReadDataByIdentifier", session: "default", unlocked: false, request: "22 f1 86", response: "62 f1 86 01" },
  {
    name: "ReadMemoryByAddress",
    session: "extended",
    unlocked: false,
    request: "23 14 70 00 00 00 04",
    response: "63",
  },
  {
    name: "ReadScalingDataByIdentifier",
    session: "default",
    unlocked: false,
    request: "24 01 05",
    response: "64 01 05",
  },
  {
    name: "SecurityAccess",
    session: "extended",
    unlocked: false,
    request: "27 01",
    response: "67 01",
    subFunction: true,
  },
  {
    name: "CommunicationControl",
    session: "extended",
    unlocked: false,
    request: "28 00 01",
    response: "68 00",
    subFunction: true,
  },
  {
    name: "Authentication",
    session: "default",
    unlocked: false,
    request: "29 08",
    response: "69 08 04",
    subFunction: true,
  },
  // one byte more is another identifier
  {
    name: "ReadDataByPeriodicIdentifier",
    session: "extended",
    unlocked: false,
    request: "2a 01 01",
    response: "6a",
    longer: "",
  },
  {
    name: "DynamicallyDefineDataIdentifier",
    session: "default",
    unlocked: false,
    request: "2c 01 f3 01 f1 90 01 03",
    response: "6c 01 f3 01",
    subFunction: true,
  },
  {
    name: "WriteDataByIdentifier",
    session: "extended",
    unlocked: true,
    request: "2e 02 00 01 02 03 04",
    response: "6e 02 00",
  },
  {
    name: "InputOutputControlByIdentifier",
    session: "extended",
    unlocked: false,
    request: "2f 9b 00 03 3c",
    response: "6f 9b 00 03",
  },
  {
    name: "RoutineControl",
    session: "programming",
    unlocked: true,
    request: "31 01 ff 02",
    response: "71 01 ff 02",
    subFunction: true,
  },
  {
    name: "RequestDownload",
    session: "programming",
    unlocked: true,
    before: [ERASE],
    request: DOWNLOAD,
    response: "74 20 0f e2",
  },
  {
    name: "RequestUpload",
    session: "programming",
    unlocked: true,
    request: "35 00 14 70 00 00 00 10",
    response: "75 20",
  },
  // one byte more is data
  {
    name: "TransferData",
    session: "programming",
    unlocked: true,
    before: [ERASE, DOWNLOAD],
    request: "36 01 aa",
    response: "76 01",
    longer: "",
  },
  {
    name: "RequestTransferExit",
    session: "programming",
    unlocked: true,
    before: [ERASE, "34 00 44 800d2000 00000001", "36 01 aa"],
    request: "37",
    response: "77",
  },
  {
    name: "RequestFileTransfer",
    session: "programming",
    unlocked: true,
    request: "38 01 00 02 2f 61 00 01 02 02",
    response: "78 01",
  },
  {
    name: "WriteMemoryByAddress",
    session: "extended",
    unlocked: true,
    request: "3d 14 70 00 00 10 02 ab cd",
    response: "7d 14 70",
  },
  {
    name: "TesterPresent",
    session: "default",
    unlocked: false,
    request: "3e 00",
    response: "7e 00",
    subFunction: true,
  },
  // a signature that is cut off or goes on is no signature
  {
    name: "SecuredDataTransmission",
    session: "default",
    unlocked: false,
    request: securedRequest("22 f1 86"),
    response: "c4 00 28 00 00 20 00 01 62 f1 86 01",
    longer: "3a",
    shorter: Object.fromEntries([41, 42].map((length) => [length, "3a"])),
  },
  {
    name: "ControlDTCSetting",
    session: "extended",
    unlocked: false,
    request: "85 02",
    response: "c5 02",
    subFunction: true,
  },
  {
    name: "ResponseOnEvent",
    session: "default",
    unlocked: false,
    request: "86 00 02",
    response: "c6 00",
    subFunction: true,
  },
  {
    name: "LinkControl",
    session: "extended",
    unlocked: false,
    request: "87 01 12",
    response: "c7 01",
    subFunction: true,
  },
];

export const sidOf = (request: string): number => Number.parseInt(request.slice(0, 2), 16);

/** Into a session, unlocked if it says so. */
export function enter(bench: EcuBench, session: SessionName, unlocked: boolean): void {
  bench.ask("10 01");
  if (session !== "default") bench.ask("10 03");
  if (session === "programming") bench.ask("10 02");
  if (unlocked && session !== "default") bench.unlock();
}

/** An ECU that is ready for the example. */
export function readyFor(example: Example): EcuBench {
  const bench = wholeEcu();
  enter(bench, example.session, example.unlocked);
  for (const request of example.before ?? []) bench.ask(request);
  bench.responses.length = 0;
  return bench;
}
