/** What a server has of 0x84. Keys are agreed upon beforehand; a method without a key is not there. Plain data. */
export interface SecuredConfig {
  /** Services that are answered with NRC 0x38 unless they come inside 0x84. */
  readonly services: readonly number[];
  /** Any length. */
  readonly hmacSha256Key?: Uint8Array;
  /** 16 bytes. */
  readonly aes128GcmKey?: Uint8Array;
}
