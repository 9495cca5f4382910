/**
 * Every kind of event the bench can record, and the fields of each. One table: the types, the compact storage and the
 * file format all follow from it. New kinds go at the end of the table; a row that changes makes a new version of the
 * file format (docs/protocols/trace.md).
 *
 * Field kinds: `name` a short text that comes again and again (stored once), `text` any other text, `uint` an integer
 * from 0 to 2^53 - 1, `bytes` octets. Every event also has `at` (instant) and `source`, the node that says it, such as
 * "ECU_011", "can1", "VMG".
 */
export const TRACE_EVENTS = {
  /** The run begins. `scenario` is a path or a name. */
  "run.started": { scenario: "text", seed: "text" },
  "run.ended": { verdict: "name" },

  /** A frame was acknowledged on the bus `source`; `at` is the end of its EOF. `flags`: see CanFlag. `duration` ns. */
  "can.frame": { node: "name", id: "uint", flags: "uint", data: "bytes", duration: "uint" },
  /** A fault kept a frame from `node`, or changed it. `fault` is the decorator's name. */
  "can.fault": { node: "name", fault: "name", id: "uint", flags: "uint", data: "bytes" },
  /** A segmented transfer of node `source` ended badly. `result` is the N_Result, `direction` "sending" or "receiving". */
  "isotp.failed": { direction: "name", result: "name", txId: "uint", rxId: "uint" },

  /** One TCP-like connection named `source`. Ends are "client" and "server". */
  "stream.opened": { client: "name", server: "name" },
  "stream.data": { from: "name", data: "bytes" },
  "stream.closed": { by: "name", reason: "name" },

  /** What ECU `source` took in and gave back. `addressing` is "physical" or "functional". */
  "uds.request": { addressing: "name", data: "bytes" },
  "uds.response": { data: "bytes" },
  "uds.session": { from: "uint", to: "uint" },

  "flash.eraseStarted": { address: "uint", length: "uint" },
  "flash.erased": { address: "uint", length: "uint" },
  "flash.programStarted": { address: "uint", length: "uint" },
  "flash.programmed": { address: "uint", length: "uint" },
  /** Power went away in the middle of `operation` ("erase" or "program"); the range holds neither old nor new. */
  "flash.torn": { operation: "name", address: "uint", length: "uint" },
  /** The boot metadata is about to be written into copy 0 or 1. */
  "boot.metadataWriteStarted": { copy: "uint", sequence: "uint" },
  "boot.metadataWritten": { copy: "uint", sequence: "uint" },
  /** One bank was looked at. `result` is "ok" or why it was refused. */
  "boot.checked": { bank: "name", result: "name", version: "name" },
  /** The ECU runs. `bank` "A", "B", or "none" when it stays in its bootloader. `trial` 0 or 1. */
  "boot.started": { bank: "name", version: "name", trial: "uint" },
  "boot.confirmed": { bank: "name", version: "name" },
  "boot.reverted": { from: "name", to: "name", why: "name" },
  "ecu.reset": { cause: "name" },
  "ecu.power": { on: "uint" },

  /** The vehicle gateway asks the world for something, and what it was told. `kind` e.g. "http". */
  "host.request": { id: "uint", kind: "name", request: "text" },
  "host.input": { id: "uint", kind: "name", answer: "text", data: "bytes" },

  "source.offer": { system: "name", release: "text", size: "uint" },
  "source.progress": { system: "name", received: "uint", total: "uint" },
  /** After an interruption the download goes on there; 0 when it had to start again. */
  "source.resumed": { system: "name", offset: "uint" },
  "source.failed": { system: "name", code: "name", reason: "text" },

  "package.verified": { format: "name", images: "uint", size: "uint" },
  "package.refused": { code: "name", reason: "text" },

  "campaign.state": { from: "name", to: "name" },
  /** `phase` as in the programming sequence; `done` and `total` in bytes. */
  "campaign.progress": { ecu: "name", phase: "name", done: "uint", total: "uint" },
  /** One ECU, asked. `version` is what it answered, or empty when it did not. */
  "campaign.observed": { ecu: "name", version: "name", when: "name" },
  "campaign.ecuFailed": { ecu: "name", phase: "name", code: "name", reason: "text" },
  "campaign.ended": { verdict: "name", code: "name", reason: "text" },

  "gateway.power": { on: "uint" },
  /** The bench did something to the vehicle on purpose. */
  "fault.injected": { fault: "name", target: "name", detail: "text" },
  /** The tester of an ECU met something odd that did no harm, such as a late answer. */
  "tester.noted": { ecu: "name", code: "name" },
  /** ECU `source` went over to another bit rate of its link; 0 when back to that of its bus. */
  "uds.link": { bitRate: "uint" },
  /** The status byte of a DTC, 24 bits, changed. (ISO 14229-1:2020, D.2) */
  "dtc.status": { dtc: "uint", from: "uint", to: "uint" },

  /**
   * Programs outside, by the number of their connection; `door` is "socketcand", "slcan", "pty" or "doip", `source` what
   * it leads to. `door.input` is what they sent, as it was handed in.
   */
  "door.opened": { door: "name", client: "uint" },
  "door.input": { client: "uint", data: "bytes" },
  "door.closed": { client: "uint" },
  "door.refused": { client: "uint", code: "name", reason: "text" },

  /**
   * `node` found an error and sends an error flag. `kind` is "bit", "stuff", "crc", "form" or "ack"; `bit` is the number of
   * the bit on the wire, SOF being 0; `tec`, `rec` and `state` ("active", "passive", "busOff") are what it has come to.
   */
  "can.error": { node: "name", kind: "name", bit: "uint", tec: "uint", rec: "uint", state: "name" },
  /** The error state of `node` has changed. */
  "can.state": { node: "name", from: "name", to: "name", tec: "uint", rec: "uint" },
  /** A periodic message of ECU `source`: low byte of its identifier, then the record. */
  "uds.periodic": { data: "bytes" },
  /** A page was programmed a second time without an erase; it reads as uncorrectable. */
  "flash.overwritten": { address: "uint", length: "uint" },
  /** An erase was refused: the sector at `address` has had all its cycles. */
  "flash.wornOut": { address: "uint", cycles: "uint" },
  /** The supply voltage of an ECU is another one, mV; what it draws at a start, mA, else 0. */
  "ecu.supply": { millivolts: "uint", inrush: "uint" },
  /** A request that came to ECU `source` inside 0x84, in the clear; or the answer to one. */
  "uds.secured": { way: "name", data: "bytes" },
  /** As `boot.*`, of an ECU whose bootloader can be updated. `bank` "none": no bootloader is fit to run, and nothing does. */
  "bootloader.checked": { bank: "name", result: "name", version: "name" },
  "bootloader.started": { bank: "name", version: "name", trial: "uint" },
  "bootloader.confirmed": { bank: "name", version: "name" },
  "bootloader.reverted": { from: "name", to: "name", why: "name" },
  /** Node `source` was sent something under `rxId` that makes no N_PDU: the first time, the second, the fourth, and so on. */
  "isotp.ignored": { rxId: "uint", reason: "text", count: "uint" },
} as const satisfies Readonly<Record<string, Readonly<Record<string, FieldKind>>>>;

type FieldKind = "name" | "text" | "uint" | "bytes";
interface FieldTypes {
  readonly name: string;
  readonly text: string;
  readonly uint: number;
  readonly bytes: Uint8Array;
}

type Table = typeof TRACE_EVENTS;
export type TraceEventType = keyof Table;

/** The fields of one kind of event, without `at`, `source` and `type`. */
export type TraceFields<Type extends TraceEventType> = {
  readonly [Field in keyof Table[Type]]: Table[Type][Field] extends FieldKind ? FieldTypes[Table[Type][Field]] : never;
};
