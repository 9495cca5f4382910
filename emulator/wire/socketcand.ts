import { CAN_DATA_MAX, CanFlag, type CanFrame, canFrameFault } from "./can-frame.ts";
import { toHex } from "./text.ts";

/** One element that a program sends to a socketcand. (docs/protocols/doors.md) */
export type SocketcandCommand =
  | { readonly type: "open"; readonly bus: string }
  | { readonly type: "rawmode" }
  | { readonly type: "echo" }
  | { readonly type: "send"; readonly frame: CanFrame }
  /** A mode or a command that there is in socketcand, and not here. */
  | { readonly type: "unknown"; readonly name: string }
  | { readonly type: "malformed"; readonly reason: string };

/** The longest element: `fdsend` of 64 bytes, with room for generous blanks. */
export const SOCKETCAND_ELEMENT_MAX = 512;
export const SOCKETCAND_HI = "< hi >";
export const SOCKETCAND_OK = "< ok >";
export const SOCKETCAND_ECHO = "< echo >";

/** Of `fdsend` and `fdframe`, as the Linux kernel counts them. */
const FdFlag = { BitRateSwitch: 0x01, ErrorStateIndicator: 0x02, Fd: 0x04 } as const;
/** An identifier of so many digits has 29 bits, whatever its value. */
const EXTENDED_DIGITS = 8;
const BASE_ID_MAX = 0x7ff;

/** Reads one element. Total: any text gives a command or a reason. @param element what stands between "<" and ">" */
export function decodeSocketcand(element: string): SocketcandCommand {
  const [name = "", ...fields] = element.split(/\s+/).filter((field) => field !== "");
  switch (name) {
    case "open":
      return fields.length === 1 ? { type: "open", bus: fields[0] as string } : malformed("open without one bus");
    case "rawmode":
      return fields.length === 0 ? { type: "rawmode" } : malformed("rawmode with something behind it");
    case "echo":
      return { type: "echo" };
    case "send":
      return decodeSend(fields);
    case "sendrtr":
      return decodeSendRemote(fields);
    case "fdsend":
      return decodeSendFd(fields);
    default:
      return name === "" ? malformed("nothing between < and >") : { type: "unknown", name: name.slice(0, 16) };
  }
}

/**
 * The element of a frame, with a line feed behind it: python-can loses what follows an element at once.
 * @param at microseconds since 1970
 */
export function encodeSocketcand({ id, flags, data }: CanFrame, at: number): string {
  const digits = (flags & CanFlag.Extended) === 0 ? 3 : EXTENDED_DIGITS;
  const identifier = id.toString(16).toUpperCase().padStart(digits, "0");
  const micros = Math.floor(at);
  const time = `${Math.floor(micros / 1e6)}.${String(micros % 1e6).padStart(6, "0")}`;
  if ((flags & CanFlag.Remote) !== 0) return `< rtr ${identifier} ${time} ${data.length} >\n`;
  const octets = toHex(data).toUpperCase();
  if ((flags & CanFlag.Fd) === 0) return `< frame ${identifier} ${time} ${octets} >\n`;
  const shown =
    FdFlag.Fd |
    ((flags & CanFlag.BitRateSwitch) === 0 ? 0 : FdFlag.BitRateSwitch) |
    ((flags & CanFlag.ErrorStateIndicator) === 0 ? 0 : FdFlag.ErrorStateIndicator);
  return `< fdframe ${identifier} ${shown.toString(16).padStart(2, "0")} ${time} ${octets} >\n`;
}

const malformed = (reason: string): SocketcandCommand => ({ type: "malformed", reason });

/** A number of one to `digitsMax` hexadecimal digits. */
function hexField(field: string | undefined, digitsMax: number): number | undefined {
  if (field === undefined || field.length > digitsMax || !/^[0-9A-Fa-f]+$/.test(field)) return undefined;
  return Number.parseInt(field, 16);
}

function decodeSend([id, length, ...octets]: readonly string[]): SocketcandCommand {
  return sent(id, 0, hexField(length, 1), octets);
}

function decodeSendRemote([id, length, ...rest]: readonly string[]): SocketcandCommand {
  const count = hexField(length, 1);
  if (rest.length > 0) return malformed("sendrtr with data");
  if (count === undefined || count > CAN_DATA_MAX) return malformed(`data length "${length ?? ""}"`);
  return sent(
    id,
    CanFlag.Remote,
    count,
    Array.from({ length: count }, () => "0"),
  );
}

function decodeSendFd([id, flags, length, ...octets]: readonly string[]): SocketcandCommand {
  const given = hexField(flags, 2);
  if (given === undefined) return malformed(`flags "${flags ?? ""}"`);
  const count = length !== undefined && /^\d{1,2}$/.test(length) ? Number(length) : undefined;
  const switched = (given & FdFlag.BitRateSwitch) === 0 ? 0 : CanFlag.BitRateSwitch;
  return sent(id, CanFlag.Fd | switched, count, octets);
}

function sent(
  id: string | undefined,
  kind: number,
  length: number | undefined,
  octets: readonly string[],
): SocketcandCommand {
  const identifier = hexField(id, EXTENDED_DIGITS);
  if (id === undefined || identifier === undefined) return malformed(`identifier "${id ?? ""}"`);
  if (length === undefined || octets.length !== length) return malformed(`${octets.length} bytes of data`);
  const values = octets.map((octet) => hexField(octet, 2));
  if (values.some((value) => value === undefined)) return malformed("data that is not hexadecimal");
  const extended = id.length === EXTENDED_DIGITS || identifier > BASE_ID_MAX;
  const flags = kind | (extended ? CanFlag.Extended : 0);
  const frame: CanFrame = { id: identifier, flags, data: Uint8Array.from(values as number[]) };
  const fault = canFrameFault(frame);
  return fault === undefined ? { type: "send", frame } : malformed(fault);
}
