import type { IsoTpConfig } from "../isotp/config.ts";
import { CAN_DATA_MAX, CanFlag, type CanFrame, canLengthAtLeast } from "../wire/can-frame.ts";
import type { EcuConfig } from "./config.ts";

/** Filler where the channel has none and CAN FD wants a longer field. */
const FILLER = 0xcc;
const PERIODIC_OFFSET = 0x200;
const FUNCTION_SHIFT = 16;
const PERIODIC_PDU_FORMAT = 0xdd;

/** A periodic message as one frame without N_PCI (UUDT), on an identifier of its own. (docs/protocols/data.md) */
export function periodicFrame(message: Uint8Array, { isotp, data }: EcuConfig): CanFrame {
  const wanted = isotp.padding === undefined ? message.length : Math.max(CAN_DATA_MAX, message.length);
  const payload = new Uint8Array(canLengthAtLeast(wanted)).fill(isotp.padding ?? FILLER);
  payload.set(message);
  return { id: data.periodicTxId ?? periodicTxId(isotp), flags: flagsOf(isotp), data: payload };
}

/** 7E8 answers and 5E8 is periodic; 18DAF115 answers and 18DDF115 is periodic. */
function periodicTxId({ address }: IsoTpConfig): number {
  if (!address.extended) return (address.txId - PERIODIC_OFFSET) & 0x7ff;
  return (address.txId & ~(0xff << FUNCTION_SHIFT)) | (PERIODIC_PDU_FORMAT << FUNCTION_SHIFT);
}

function flagsOf({ address, fd, bitRateSwitch }: IsoTpConfig): number {
  const extended = address.extended ? CanFlag.Extended : 0;
  return extended | (fd ? CanFlag.Fd : 0) | (fd && bitRateSwitch ? CanFlag.BitRateSwitch : 0);
}
