/** A software version x.y.z as the number 0x00MMmmpp that packages and image headers carry. */
export type PackedVersion = number;

/** @returns undefined for anything but three numbers from 0 to 255 with dots between them (a leading "v" is let pass) */
export function packVersion(text: string): PackedVersion | undefined {
  const parts = /^v?(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text)?.slice(1).map(Number);
  if (parts === undefined || parts.some((part) => part > 255)) return undefined;
  const [major, minor, patch] = parts as [number, number, number];
  return major * 0x10000 + minor * 0x100 + patch;
}

export const versionText = (packed: PackedVersion): string =>
  `${(packed >>> 16) & 0xff}.${(packed >>> 8) & 0xff}.${packed & 0xff}`;

/** Below 0 when `a` is older than `b`; versions that can't be read count as the oldest. */
export const compareVersions = (a: string, b: string): number => (packVersion(a) ?? -1) - (packVersion(b) ?? -1);
