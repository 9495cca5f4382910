const IDENTITY = /^[1-9a-f][0-9a-f]{0,15}$|^0$/;

/**
 * The text of an identity, which stands in topics, URLs and key stores: lower-case hexadecimal, no leading zeros.
 * About one identity in 16 is shorter than 16 digits.
 */
export const identityText = (identity: bigint): string => identity.toString(16);

/** @returns undefined for anything that {@link identityText} would not have written */
export const parseIdentity = (text: string): bigint | undefined =>
  IDENTITY.test(text) ? BigInt(`0x${text}`) : undefined;

/** Where both directions of a device's traffic go. */
export const deviceTopic = (device: string): string => `SRUP/${device}`;

/** Where a device asks a server to let it join. */
export const joinTopic = (server: string, device: string): string => `SRUP/servers/${server}/${device}`;

/** Whether a join request may come this way; its last part is not compared with the sender, as the original does not. */
export const isJoinTopic = (topic: string, server: string): boolean =>
  topic.startsWith(`SRUP/servers/${server}/`) && /^\w+$/.test(topic.slice(`SRUP/servers/${server}/`.length));
