/** The types of message and their numbers; a withdrawn type keeps its number. (docs/protocols/srup.md, Messages) */
export const SrupType = {
  INITIATE: 0x01,
  RESPONSE: 0x02,
  ACTIVATE: 0x03,
  ACTION: 0x04,
  DATA: 0x05,
  ID_REQUEST: 0x06,
  GROUP_ADD: 0x07,
  GROUP_DELETE: 0x08,
  JOIN_REQUEST: 0x09,
  JOIN_COMMAND: 0x0a,
  HUMAN_JOIN_REQUEST: 0x0b,
  HUMAN_JOIN_RESPONSE: 0x0c,
  OBSERVED_JOIN_REQUEST: 0x0d,
  OBSERVED_JOIN_RESPONSE: 0x0e,
  OBSERVATION_REQUEST: 0x0f,
  RESIGN_REQUEST: 0x10,
  TERMINATE_COMMAND: 0x11,
  DEREGISTER_REQUEST: 0x12,
  DEREGISTER_COMMAND: 0x13,
  GROUP_DESTROY: 0x14,
  SYNDICATION_INIT: 0x21,
  SYNDICATED_ACTION: 0x24,
  SYNDICATED_DATA: 0x25,
  SYNDICATED_ID_REQUEST: 0x26,
  SYNDICATED_DEVICE_COUNT: 0x27,
  SYNDICATED_DEVICE_LIST: 0x28,
  SYNDICATION_REQUEST: 0x29,
  SYNDICATED_C2_REQUEST: 0x2c,
  SYNDICATED_END_REQUEST: 0x2e,
  SYNDICATED_TERMINATE: 0x2f,
} as const;
export type SrupType = keyof typeof SrupType;

/** What a kind of field is in a message: `lv` bytes behind a 16-bit length, big-endian; the others are little-endian. */
interface FieldKinds {
  readonly lv: Uint8Array;
  readonly u8: number;
  readonly u32: number;
  readonly u64: bigint;
}
export type FieldKind = keyof FieldKinds;

/** The fields of each type's body, in order. */
export const LAYOUTS = {
  INITIATE: { url: "lv", digest: "lv" },
  RESPONSE: { status: "u8" },
  ACTIVATE: {},
  ACTION: { actionId: "u8" },
  DATA: { dataId: "lv", data: "lv" },
  ID_REQUEST: {},
  GROUP_ADD: { deviceId: "u64", groupId: "lv" },
  GROUP_DELETE: { deviceId: "u64", groupId: "lv" },
  JOIN_REQUEST: {},
  JOIN_COMMAND: { deviceId: "u64" },
  HUMAN_JOIN_REQUEST: {},
  HUMAN_JOIN_RESPONSE: { encrypted: "lv" },
  OBSERVED_JOIN_REQUEST: { observerId: "u64" },
  OBSERVED_JOIN_RESPONSE: { encrypted: "lv" },
  OBSERVATION_REQUEST: { joiningDeviceId: "u64", encrypted: "lv" },
  RESIGN_REQUEST: {},
  TERMINATE_COMMAND: {},
  DEREGISTER_REQUEST: {},
  DEREGISTER_COMMAND: {},
  GROUP_DESTROY: { groupId: "lv" },
  SYNDICATION_INIT: { url: "lv", encrypted: "lv" },
  SYNDICATED_ACTION: { actionId: "u8", targetId: "u64" },
  SYNDICATED_DATA: { dataId: "lv", data: "lv", sourceId: "u64" },
  SYNDICATED_ID_REQUEST: { targetId: "u64" },
  SYNDICATED_DEVICE_COUNT: { count: "u32" },
  SYNDICATED_DEVICE_LIST: { deviceSequence: "u32", deviceId: "u64" },
  SYNDICATION_REQUEST: { encrypted: "lv" },
  SYNDICATED_C2_REQUEST: { data: "lv", reqId: "u8" },
  SYNDICATED_END_REQUEST: {},
  SYNDICATED_TERMINATE: {},
} as const satisfies Record<SrupType, Readonly<Record<string, FieldKind>>>;

type Fields<Type extends SrupType> = {
  readonly [Name in keyof (typeof LAYOUTS)[Type]]: (typeof LAYOUTS)[Type][Name] extends FieldKind
    ? FieldKinds[(typeof LAYOUTS)[Type][Name]]
    : never;
};

/** What one type of message says besides its header. */
export type SrupBody = { [Type in SrupType]: { readonly type: Type } & Fields<Type> }[SrupType];

/** Types that protocol version 4 withdrew. They are refused by both roles and never sent. */
export const WITHDRAWN: ReadonlySet<SrupType> = new Set(["GROUP_ADD", "GROUP_DELETE", "GROUP_DESTROY"]);

/** Zero bytes behind the body, which are signed with it: the original miscounts the fields of this one type. */
export const padLength = (type: SrupType): number => (type === "SYNDICATED_C2_REQUEST" ? 2 : 0);

const NAMES: ReadonlyMap<number, SrupType> = new Map(
  Object.entries(SrupType).map(([name, code]) => [code, name as SrupType]),
);

/** @returns undefined for a number that is no type of message */
export const srupTypeOf = (code: number): SrupType | undefined => NAMES.get(code);
