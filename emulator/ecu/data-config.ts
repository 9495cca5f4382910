import { type Duration, ms, s } from "../kernel/time.ts";
import type { Access, DidRule } from "../uds/host.ts";
import type { DataLimits, MemoryRule } from "../uds/host-data.ts";
import { ALL_SESSIONS, NON_DEFAULT, PROGRAMMING } from "../uds/service.ts";
import type { Scaling } from "../wire/scaling.ts";
import { Did, Session } from "../wire/uds.ts";

/** Memory that testers may address. */
export interface MemoryRangeConfig extends MemoryRule {
  readonly name: string;
  /** It outlives resets and power cuts; writing it takes its time. Otherwise it is 00 after each start. */
  readonly kept: boolean;
}

/** One value of the application: what it is by itself at any instant, unless a tester controls it. */
export interface ValueConfig {
  /** Bytes in the record, 1 to 4, big-endian. */
  readonly length: number;
  /** At the start of the run, and what 2F resetToDefault sets. */
  readonly initial: number;
  /** It goes from there to 0. */
  readonly max: number;
  /** How it changes; without it, it does not. */
  readonly drift?: { readonly every: Duration; readonly step: number };
}

/** An identifier whose record is made of live values. */
export interface LiveRecordConfig {
  readonly did: number;
  readonly read: Access;
  readonly values: readonly ValueConfig[];
  readonly control?: Access & { readonly masked: boolean };
}

/** An identifier whose record is kept over resets and power cuts, and changes only when it is written. */
interface StoredRecordConfig extends DidRule {
  readonly did: number;
  readonly initial: Uint8Array;
}

export interface FileSystemConfig {
  readonly access: Access;
  /** Bytes of all files together, those that are not whole with the size they will have. */
  readonly size: number;
  readonly filesMax: number;
  readonly pathLengthMax: number;
}

/** What an ECU has for the services 22 to 24, 2A, 2C, 2E, 2F, 35, 38 and 3D. Plain data. (docs/protocols/data.md) */
export interface DataConfig {
  readonly memory: readonly MemoryRangeConfig[];
  readonly live: readonly LiveRecordConfig[];
  readonly stored: readonly StoredRecordConfig[];
  readonly scaling: readonly { readonly did: number; readonly items: readonly Scaling[] }[];
  readonly files: FileSystemConfig;
  readonly limits: Omit<DataLimits, "periodicDataMax">;
  /** How long it takes to store a KiB, or a part of one, or to remove a file. */
  readonly storeTimePerKib: Duration;
  /** The identifier of periodic messages; derived from that of responses when left out. */
  readonly periodicTxId?: number;
}

const EVERYWHERE: Access = { sessions: ALL_SESSIONS, unlocked: false };
const EXTENDED: readonly Session[] = [Session.Extended];

const MEMORY: readonly MemoryRangeConfig[] = [
  {
    name: "ram",
    address: 0x70000000,
    size: 0x400,
    kept: false,
    read: { sessions: NON_DEFAULT, unlocked: false },
    write: { sessions: EXTENDED, unlocked: true },
  },
  {
    name: "calibration",
    address: 0xaf100000,
    size: 0x400,
    kept: true,
    read: { sessions: NON_DEFAULT, unlocked: true },
    write: { sessions: NON_DEFAULT, unlocked: true },
  },
];

const LIVE: readonly LiveRecordConfig[] = [
  {
    did: 0x0105,
    read: EVERYWHERE,
    values: [{ length: 1, initial: 0, max: 240, drift: { every: ms(500), step: 1 } }],
  },
  {
    did: 0x0155,
    read: EVERYWHERE,
    values: [
      { length: 1, initial: 7, max: 0xff },
      { length: 2, initial: 750, max: 8000, drift: { every: s(10), step: 50 } },
      { length: 1, initial: 0, max: 100 },
    ],
    control: { sessions: EXTENDED, unlocked: true, masked: true },
  },
  {
    did: 0x9b00,
    read: EVERYWHERE,
    values: [{ length: 1, initial: 10, max: 100, drift: { every: s(1), step: 1 } }],
    control: { sessions: EXTENDED, unlocked: false, masked: false },
  },
  {
    did: 0xf201,
    read: EVERYWHERE,
    values: [{ length: 2, initial: 0, max: 0xffff, drift: { every: ms(10), step: 1 } }],
  },
  {
    did: 0xf202,
    read: { sessions: EXTENDED, unlocked: true },
    values: [{ length: 4, initial: 0x12345678, max: 0xffffffff }],
  },
];

/** The family's ECU. */
export const FAMILY_DATA: DataConfig = {
  memory: MEMORY,
  live: LIVE,
  stored: [
    {
      did: 0x0200,
      initial: Uint8Array.of(0, 0, 0, 0),
      read: EVERYWHERE,
      write: { sessions: EXTENDED, unlocked: true, lengthMin: 4, lengthMax: 4 },
    },
  ],
  scaling: [
    { did: 0xf202, items: [{ type: "unsigned", length: 4 }] },
    { did: Did.Vin, items: [{ type: "ascii", length: 17 }] },
    {
      did: 0x0105,
      items: [
        { type: "unsigned", length: 1 },
        {
          type: "formula",
          formula: 0x00, // y = C0 * x + C1
          constants: [
            { mantissa: 75, exponent: -2 },
            { mantissa: 30, exponent: 0 },
          ],
        },
        { type: "unit", code: 0x30 }, // km/h
      ],
    },
  ],
  files: {
    access: { sessions: PROGRAMMING, unlocked: true },
    size: 64 * 1024,
    filesMax: 32,
    pathLengthMax: 64,
  },
  limits: {
    dynamicIdentifiersMax: 8,
    dynamicSourcesMax: 16,
    periodicIdentifiersMax: 8,
    periodicRates: { slow: s(1), medium: ms(200), fast: ms(50) },
  },
  storeTimePerKib: ms(2),
};
