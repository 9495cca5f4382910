import { readFile } from "node:fs/promises";
import { parse, YAMLParseError } from "yaml";
import type { z } from "zod";
import { LinkError, UsageError } from "../../emulator/kernel/errors.ts";

/**
 * Reads a YAML file and checks it against a schema.
 * @throws {LinkError} FILE_UNREADABLE @throws {UsageError} FILE_INVALID, which names the file, the field and what is wrong
 */
export async function readYaml<Schema extends z.ZodType>(path: string, schema: Schema): Promise<z.infer<Schema>> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (cause) {
    throw new LinkError("FILE_UNREADABLE", `${path}: ${(cause as Error).message}`, { cause });
  }
  let raw: unknown;
  try {
    raw = parse(text, { intAsBigInt: false, maxAliasCount: 100 });
  } catch (cause) {
    if (!(cause instanceof YAMLParseError)) throw cause;
    throw new FileInvalidError(`${path}: ${cause.message}`);
  }
  const parsed = schema.safeParse(raw);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new FileInvalidError(`${path}: ${issue?.path.join(".") || "the file"}: ${issue?.message}`);
}

/** A file that a person wrote is not what it must be. */
export class FileInvalidError extends UsageError {
  override readonly code = "FILE_INVALID";
}
