import { spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, describe, expect, it } from "vitest";

const folder = mkdtempSync(join(tmpdir(), "otabench-taken-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** A port of this machine that has somebody on it. */
async function takenPort(udp: boolean): Promise<{ port: number; close: () => void }> {
  if (udp) {
    const socket = createSocket("udp4");
    socket.bind(0, "127.0.0.1");
    await once(socket, "listening");
    return { port: socket.address().port, close: () => socket.close() };
  }
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  return { port: (server.address() as AddressInfo).port, close: () => server.close() };
}

describe("otabench server", () => {
  it.each(["https", "rsu", "srup", "ssu"])("%s ends, and says why, when its port is taken", async (system) => {
    const file = join(folder, "file.bin");
    writeFileSync(file, "firmware");
    const { port, close } = await takenPort(system === "rsu" || system === "ssu");
    const words = ["server", system, file, "--seed", "1", "--host", "127.0.0.1", "--port", String(port)];
    const child = spawn(process.execPath, ["hil/cli/otabench.mjs", ...words], { stdio: ["ignore", "ignore", "pipe"] });
    const told = text(child.stderr);
    const [code] = (await once(child, "close")) as [number | null];
    close();
    expect(await told).toContain("LINK_REFUSED: can't listen on");
    expect(code).toBe(3);
  });
});
