import { readFileSync } from "node:fs";
import { DeviceError } from "../device/device-error.ts";
import { FileError } from "../record/record-error.ts";
import type { Terminal } from "./terminal.ts";

/** @throws {DeviceError} INPUT_ENDED */
export async function askPassword(terminal: Terminal, prompt: string): Promise<string> {
  const password = await terminal.secret(prompt);
  if (password === undefined) throw new DeviceError("INPUT_ENDED", "there is nobody to ask for a password");
  return password;
}

/** Asked twice, since it can't be seen. @throws {DeviceError} ACCOUNT_INVALID when the two differ */
export async function askNewPassword(terminal: Terminal): Promise<string> {
  const password = await askPassword(terminal, "new password: ");
  if ((await askPassword(terminal, "once more: ")) !== password)
    throw new DeviceError("ACCOUNT_INVALID", "the two are not the same");
  return password;
}

/** The first line of a file or a pipe. @throws {FileError} FILE_UNREADABLE */
export function passwordFrom(path: string): string {
  try {
    return readFileSync(path, "utf8").split(/\r?\n/, 1)[0] ?? "";
  } catch (cause) {
    throw new FileError("FILE_UNREADABLE", `can't read ${path}: ${(cause as Error).message}`, { cause });
  }
}
