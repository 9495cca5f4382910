import { UsageError } from "../../../emulator/kernel/errors.ts";
import { type Duration, s } from "../../../emulator/kernel/time.ts";

/** Where a vehicle gets its firmware over HTTPS, and how patient it is. */
export interface HttpsSourceConfig {
  /** "https://host:port", with a folder behind it if need be. */
  readonly baseUrl: string;
  /** Certificates that the server's must lead to, PEM. */
  readonly ca: string;
  /** Path of the file on the server; "/firmware_v2.bin" if not given. */
  readonly path?: string;
  /** Path of its detached signature; the file's with ".sig" behind it if not given. */
  readonly signaturePath?: string;
  /** "1.3" if not given; see {@link HttpRequest}. */
  readonly tlsMin?: "1.3" | "1.2";
  /** The longest file that is taken, bytes; 64 MiB if not given. */
  readonly sizeMax?: number;
  /** The longest signature that is taken, bytes; 4096 if not given. */
  readonly signatureSizeMax?: number;
  /** The most bytes that one request asks for; if not given, each asks for all that is missing. */
  readonly window?: number;
  /** How many times in a row a request is made again without a further byte coming of it; 5 if not given. */
  readonly retriesMax?: number;
  /** The time before the first of them, doubled for each further one; 1 s if not given. */
  readonly backOff?: Duration;
  /** The longest time between two of them; 60 s if not given. */
  readonly backOffMax?: Duration;
}

export type WholeHttpsSourceConfig = Required<Omit<HttpsSourceConfig, "signaturePath" | "window">> &
  Pick<HttpsSourceConfig, "signaturePath" | "window">;

/** @throws {UsageError} for anything that no server could make work */
export function wholeConfig(config: HttpsSourceConfig): WholeHttpsSourceConfig {
  const whole = {
    path: "/firmware_v2.bin",
    tlsMin: "1.3" as const,
    sizeMax: 64 * 1024 * 1024,
    signatureSizeMax: 4096,
    retriesMax: 5,
    backOff: s(1),
    backOffMax: s(60),
    ...config,
    baseUrl: config.baseUrl.replace(/\/$/, ""),
  };
  if (!/^https:\/\/[^\s/?#@]+(?:\/[^\s?#]*)?$/.test(whole.baseUrl)) {
    throw new UsageError(`"${config.baseUrl}" is no https URL`);
  }
  for (const path of [whole.path, whole.signaturePath ?? "/"]) {
    if (!isPath(path))
      throw new UsageError(`"${path}" is no path on a server: it begins with "/" and has neither spaces nor "#"`);
  }
  const { sizeMax, signatureSizeMax, window = 1, retriesMax, backOff, backOffMax } = whole;
  const isValid =
    [sizeMax, signatureSizeMax, window, backOff].every((count) => Number.isSafeInteger(count) && count > 0) &&
    Number.isSafeInteger(retriesMax) &&
    retriesMax >= 0 &&
    backOffMax >= backOff;
  if (!isValid) throw new UsageError("limits of an https source are whole numbers over 0, and backOffMax >= backOff");
  return whole;
}

export const isPath = (path: string): boolean => /^\/[\x21\x22\x24-\x7e]*$/.test(path);
