/** (docs/protocols/ssu.md, 3.3) */
export const OptionType = {
  Pad: 0x00,
  SourceId: 0x01,
  MaxDatagram: 0x02,
  Security: 0x03,
  Cookie: 0x04,
  Sack: 0x05,
  Reason: 0x06,
} as const;
