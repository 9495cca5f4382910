import { ms, NO_TIME } from "../kernel/time.ts";
import type { IsoTpAddress, IsoTpConfig } from "./config.ts";

const COMMON = {
  padding: 0xcc,
  blockSize: 0,
  stMin: NO_TIME,
  messageSizeMax: 4095,
  waitFramesMax: 10,
  nAs: ms(1000),
  nAr: ms(1000),
  nBs: ms(1000),
  nCr: ms(1000),
  nBr: NO_TIME,
  nCs: NO_TIME,
} as const;

/** A channel on classic CAN: 8-byte frames, padded, no pauses, the timeouts of ISO 15765-4:2016, Table 5. */
export const classicIsoTp = (address: IsoTpAddress, overrides: Partial<IsoTpConfig> = {}): IsoTpConfig => ({
  ...COMMON,
  address,
  txDl: 8,
  fd: false,
  bitRateSwitch: false,
  ...overrides,
});

/** A channel on CAN FD: 64-byte frames at the data bit rate, otherwise like {@link classicIsoTp}. */
export const fdIsoTp = (address: IsoTpAddress, overrides: Partial<IsoTpConfig> = {}): IsoTpConfig => ({
  ...COMMON,
  address,
  txDl: 64,
  fd: true,
  bitRateSwitch: true,
  ...overrides,
});
