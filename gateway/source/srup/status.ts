/** Status of a RESPONSE. What the original never sends may be received all the same. (docs/protocols/srup.md, Status) */
export const SrupStatus = {
  UpdateSuccess: 0x00,
  ActivateSuccess: 0x10,
  ActivateFail: 0x1f,
  ActionSuccess: 0x20,
  ActionUnknown: 0x2e,
  ActionFail: 0x2f,
  DataTypeUnknown: 0x3f,
  JoinSuccess: 0x50,
  JoinRefused: 0x5e,
  JoinFail: 0x5f,
  ObservedJoinValid: 0x60,
  ObservedJoinInvalid: 0x6e,
  ObservedJoinFail: 0x6f,
  ResignSuccess: 0x70,
  ResignFail: 0x7f,
  DeregisterSuccess: 0x80,
  DeregisterFail: 0x8f,
  UpdateFailHttpError: 0xfc,
  UpdateFailServer: 0xfd,
  UpdateFailFile: 0xfe,
  UpdateFailDigest: 0xff,
} as const;
export type SrupStatus = (typeof SrupStatus)[keyof typeof SrupStatus];

const NAMES: ReadonlyMap<number, string> = new Map(Object.entries(SrupStatus).map(([name, code]) => [code, name]));

/** "JoinSuccess (0x50)"; any number has a text. */
export const srupStatusText = (status: number): string =>
  `${NAMES.get(status) ?? "unassigned"} (0x${status.toString(16).padStart(2, "0")})`;
