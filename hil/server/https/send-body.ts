import type { ServerResponse } from "node:http";

const SLICE_LENGTH = 65_536;

export interface BodyPlan {
  /** The connection is cut behind that many bytes. */
  readonly dieAfter: number | undefined;
  readonly bytesPerSecond: number | undefined;
  /** A peer that takes longer for 64 KiB is cut off, wall milliseconds. */
  readonly sliceMs: number;
}

/**
 * Sends a body, slice by slice as the peer takes it, and ends the answer. A cut comes after the last byte before it has
 * been handed to the system, so that the peer gets exactly those.
 * @returns how many bytes were sent
 */
export async function sendBody(response: ServerResponse, body: Uint8Array, plan: BodyPlan): Promise<number> {
  const { dieAfter, bytesPerSecond, sliceMs } = plan;
  const length = Math.min(dieAfter ?? body.length, body.length);
  const sliceLength = Math.max(
    1,
    Math.min(SLICE_LENGTH, Math.floor((bytesPerSecond ?? Number.POSITIVE_INFINITY) / 20)),
  );
  let sent = 0;
  while (sent < length && !response.destroyed) {
    const end = Math.min(sent + sliceLength, length);
    if (!(await write(response, body.subarray(sent, end), sliceMs))) return sent;
    sent = end;
    if (bytesPerSecond !== undefined && sent < length) await pause(response, (1000 * sliceLength) / bytesPerSecond);
  }
  if (dieAfter !== undefined) response.socket?.destroy();
  else if (!response.destroyed) response.end();
  return sent;
}

/** @returns false when the connection has gone */
function write(response: ServerResponse, slice: Uint8Array, withinMs: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const gone = () => resolve(false);
  const timer = setTimeout(() => response.destroy(), withinMs);
  response.once("close", gone);
  response.write(slice, (error) => resolve(!error));
  return promise.finally(() => {
    clearTimeout(timer);
    response.off("close", gone);
  });
}

/** Until then, or until the connection has gone. */
function pause(response: ServerResponse, forMs: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, forMs);
  response.once("close", resolve);
  return promise.finally(() => {
    clearTimeout(timer);
    response.off("close", resolve);
  });
}
