import { PeerError, UsageError } from "../../emulator/kernel/errors.ts";

export type RecordErrorCode =
  /** The file is of another kind, or of a newer version. */
  | "TRACE_FOREIGN"
  | "TRACE_VERSION"
  /** The file ends before its announced end. */
  | "TRACE_TRUNCATED"
  /** The bytes are not those that were written, or make no sense. */
  | "TRACE_DAMAGED"
  | "CANDUMP_MALFORMED"
  | "PCAPNG_FOREIGN"
  | "PCAPNG_TRUNCATED"
  | "PCAPNG_MALFORMED";

/** A record or capture that can't be read. */
export class RecordError extends PeerError {
  override readonly code: RecordErrorCode;
  override readonly clause: string;

  /** @param clause the document that says how it has to look */
  constructor(code: RecordErrorCode, reason: string, clause: string, options?: ErrorOptions) {
    super(reason, options);
    this.code = code;
    this.clause = clause;
  }
}

type FileErrorCode =
  | "FILE_UNREADABLE"
  | "FILE_UNWRITABLE"
  /** Another process works on it. */
  | "FILE_LOCKED";

/** A path that can't be opened for what it was given for. */
export class FileError extends UsageError {
  override readonly code: FileErrorCode;

  constructor(code: FileErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
