import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, it } from "vitest";
import type { SrupRequest } from "../../gateway/source/host-request.ts";
import { DeviceSession } from "../../hil/link/srup/device-session.ts";
import { UpdateFolder } from "../../hil/link/srup/update-folder.ts";
import { startBroker } from "../../hil/server/srup/broker.ts";
import { SrupNetwork } from "../../hil/server/srup/srup-network.ts";
import { ShownValues } from "../../hil/system/shown-values.ts";
import { describeWithJudge, PYTHON3 } from "../support/judges.ts";
import { hasProgram } from "../support/programs.ts";
import { startMosquitto } from "./support/mosquitto.ts";

const FILE = new Uint8Array(200_000).fill(7);
const BROKERS = { "our own broker": startBroker, mosquitto: startMosquitto };

/** A peer in Python: what it says, line by line, and how it ended. */
class Peer {
  readonly lines: string[] = [];
  readonly errors: string[] = [];
  readonly #process: ChildProcessWithoutNullStreams;

  constructor(script: string, ...args: readonly string[]) {
    const path = fileURLToPath(new URL(`support/srup/${script}`, import.meta.url));
    this.#process = spawn(PYTHON3, ["-B", "-W", "ignore", path, ...args]);
    createInterface({ input: this.#process.stdout }).on("line", (line) => this.lines.push(line));
    createInterface({ input: this.#process.stderr }).on("line", (line) => this.errors.push(line));
  }

  say(line: string): void {
    this.#process.stdin.write(`${line}\n`);
  }

  /** Until it has said that, or ended, which fails. @returns what comes behind it */
  async said(word: string): Promise<string> {
    const find = (): string | undefined => this.lines.find((line) => line.split(" ")[0] === word);
    await expect.poll(() => find() ?? this.#process.exitCode, { timeout: 50_000 }).not.toBeNull();
    const line = find();
    if (line === undefined) throw new Error(this.errors.slice(-8).join("\n"));
    return line.slice(word.length + 1);
  }

  async end(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    this.#process.kill();
    await once(this.#process, "exit");
  }
}

describeWithJudge("python3-cryptography", "peers of SRUP in Python, written from its description", () => {
  let folder = "";
  let peer: Peer | undefined;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "otabench-srup-python-"));
  });
  afterEach(async () => {
    await peer?.end();
    rmSync(folder, { recursive: true });
  });
  const brokers = Object.entries(BROKERS).filter(([name]) => name !== "mosquitto" || hasProgram(name));

  it.each(brokers)(
    "are devices of our server, by %s",
    async (_, start) => {
      const shown = new ShownValues();
      const network = await SrupNetwork.start({ operator: shown.operator("honest"), startBroker: start });
      try {
        network.publish(FILE);
        const device = new Peer("device.py", `http://localhost:${network.keyService.port}`, folder);
        peer = device;
        const [id = "", value = ""] = (await device.said("shows")).split(" ");
        shown.show(id, value);
        await device.said("done");
      } finally {
        await network.close();
      }
    },
    60_000,
  );

  it.each(brokers)(
    "are key service and server of our device, by %s",
    async (_, start) => {
      const server = new Peer("server.py", folder);
      peer = server;
      const url = await server.said("key-service");
      const read = (name: string): string => readFileSync(join(folder, name), "utf8");
      const files = { certificate: read("broker.pem"), privateKey: read("broker.key"), ca: read("ca.pem") };
      const broker = await start(files);
      server.say(String(broker.port));
      await server.said("ready");
      const request: SrupRequest = {
        kind: "srup",
        method: "fetch",
        url,
        device: "vehicle",
        join: "human",
        identification: "a vehicle",
        waitMs: 10_000,
        patienceMs: 10_000,
        ca: "",
        bodyMax: 1 << 24,
      };
      const updates: UpdateFolder = new UpdateFolder({
        folder,
        ca: "",
        bodyMax: request.bodyMax,
        digestOf: (download) => session.digestOf({ download }),
        tell: (input) => session.push(input),
        installed: (path) => session.report(path !== undefined),
      });
      const session: DeviceSession = new DeviceSession(request, {
        onJoinValue: (__, value) => server.say(value),
        onObserve: async () => "valid",
        onEvent: (event) => updates.said(event),
      });
      try {
        expect(await session.joined()).toBe("joined");
        await server.said("done");
      } finally {
        await updates.close();
        await session.close();
        await broker.close();
      }
    },
    60_000,
  );
});
