import { Nrc } from "../wire/uds.ts";

/** What the ECU makes of its supply voltage. All in mV. Plain data. (docs/protocols/ecu.md, supply) */
export interface SupplyConfig {
  /** Until somebody says otherwise. */
  readonly nominal: number;
  /** Below that the ECU is held in reset. */
  readonly resetBelow: number;
  /** It is let go at that; more than `resetBelow`, so that a voltage in between does not make it start again and again. */
  readonly releaseAt: number;
  /** Below the first or above the second, code flash is neither erased nor programmed. */
  readonly programmingMin: number;
  readonly programmingMax: number;
  /** What it draws at the moment of a start, mA at nominal voltage. */
  readonly inrush: number;
}

export const FAMILY_SUPPLY: SupplyConfig = {
  nominal: 12_000,
  resetBelow: 5_500,
  releaseAt: 6_500,
  programmingMin: 9_000,
  programmingMax: 16_000,
  inrush: 2_000,
};

/** Why code flash can't be changed at that voltage; undefined when it can. (ISO 14229-1:2020, Table A.1, 0x92 and 0x93) */
export function supplyRefusal(config: SupplyConfig, millivolts: number): Nrc | undefined {
  if (millivolts < config.programmingMin) return Nrc.VoltageTooLow;
  return millivolts > config.programmingMax ? Nrc.VoltageTooHigh : undefined;
}

/** mA at a start: the input capacitors draw in proportion to the voltage. */
export const inrushAt = ({ inrush, nominal }: SupplyConfig, millivolts: number): number =>
  Math.round((inrush * millivolts) / nominal);
