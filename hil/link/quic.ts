import { LinkError } from "../../emulator/kernel/errors.ts";

type Quic = typeof import("@currentspace/http3");

let loading: Promise<Quic> | undefined;

/**
 * The QUIC library, loaded when it is used for the first time: it is native code, and not there for every machine.
 * @throws {LinkError} "QUIC_UNSUPPORTED"
 */
export function loadQuic(): Promise<Quic> {
  loading ??= import("@currentspace/http3").catch((cause: unknown) => {
    loading = undefined;
    const why = cause instanceof Error ? cause.message.split("\n")[0] : String(cause);
    const machine = `${process.platform}-${process.arch}`;
    throw new LinkError("QUIC_UNSUPPORTED", `there is no QUIC for ${machine}: ${why}`, { cause });
  });
  return loading;
}

/** How the QUIC runs: its own thread over plain sockets. The other ways of the library stall, or warn, or end the process. */
export const QUIC_RUNTIME = { runtimeMode: "portable" } as const;
