import type { PackageErrorCode } from "./verified-package.ts";

/** Bytes that are no package, and why. */
export interface Malformed {
  readonly type: "malformed";
  readonly code: PackageErrorCode;
  readonly reason: string;
  /** Where the rule stands. */
  readonly clause: string;
}

/** A maker of {@link Malformed} for one clause of docs/protocols/packages.md. */
export const malformedBy =
  (section: string) =>
  (code: PackageErrorCode, reason: string): Malformed => ({
    type: "malformed",
    code,
    reason,
    clause: `docs/protocols/packages.md, ${section}`,
  });

/** The same, told from further out. */
export const within = (place: string, inner: Malformed): Malformed => ({
  ...inner,
  reason: `${place}: ${inner.reason}`,
});

export const isMalformed = (value: object): value is Malformed => "type" in value && value.type === "malformed";
