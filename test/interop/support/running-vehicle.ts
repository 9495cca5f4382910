import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { OpenDoors } from "../../../hil/door/open-doors.ts";
import { PYTHON3 } from "../../support/judges.ts";

const MAIN = fileURLToPath(new URL("../../../hil/cli/main.ts", import.meta.url));
const VEHICLE = "fixtures/vehicles/one-ecu.yaml";

interface UpReport {
  readonly clients: number;
  readonly refused: Readonly<Record<string, number>>;
  readonly files: readonly string[];
}

/** `otabench up` in a process of its own, on ports that were free. Ends by itself after five minutes. */
export class RunningVehicle {
  readonly doors: OpenDoors;
  readonly #process: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly #said: { text: string };

  private constructor(process: ChildProcess, lines: AsyncIterator<string>, said: { text: string }, doors: OpenDoors) {
    this.#process = process;
    this.#lines = lines;
    this.#said = said;
    this.doors = doors;
  }

  static async up(...args: readonly string[]): Promise<RunningVehicle> {
    const command = [MAIN, "up", VEHICLE, "--json", "--for", "280", ...args];
    const child = spawn(process.execPath, command, { stdio: ["ignore", "pipe", "pipe"] });
    const said = { text: "" };
    child.stderr.on("data", (data: Buffer) => {
      said.text += data.toString();
    });
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const first = await lines.next();
    if (first.done === true) throw new Error(`otabench up said nothing: ${said.text}`);
    const { doors } = JSON.parse(first.value) as { doors: OpenDoors };
    return new RunningVehicle(child, lines, said, doors);
  }

  /** What it told on standard error. */
  get said(): string {
    return this.#said.text;
  }

  get exitCode(): number | null {
    return this.#process.exitCode;
  }

  /** Takes it down as a person would. */
  async down(): Promise<UpReport> {
    const ended = once(this.#process, "exit");
    this.#process.kill("SIGINT");
    const last = await this.#lines.next();
    await ended;
    return (JSON.parse(last.value as string) as { report: UpReport }).report;
  }

  /** Whatever has become of it. */
  async end(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const ended = once(this.#process, "exit");
    this.#process.kill("SIGKILL");
    await ended;
  }
}

/** Runs a script of test/interop/support; answers the JSON object that it prints. */
export async function askPython(script: string, ...args: readonly string[]): Promise<Record<string, unknown>> {
  const path = fileURLToPath(new URL(script, import.meta.url));
  const { stdout } = await promisify(execFile)(PYTHON3, [path, ...args], { timeout: 250_000 });
  return JSON.parse(stdout.trim().split("\n").at(-1) as string) as Record<string, unknown>;
}
