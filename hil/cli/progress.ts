import type { Trace } from "../../emulator/kernel/trace.ts";
import type { CommandIo } from "./command.ts";

/** How often a terminal is drawn again, wall milliseconds. */
const REDRAW_MS = 100;
const BAR_WIDTH = 30;
/** Without a terminal a line is printed each time that many percent have been passed. */
const PLAIN_STEP = 25;
const ESCAPE = "\u001b[";

interface Row {
  readonly name: string;
  phase: string;
  done: number;
  total: number;
  /** Last step told in a plain line. */
  told: string;
}

/**
 * What a person sees while a run goes on: one bar for the download and one for each ECU on a terminal, plain lines
 * otherwise. It listens to the trace and knows nothing else.
 */
export class Progress {
  readonly #io: CommandIo;
  readonly #rows = new Map<string, Row>();
  #drawnRows = 0;
  #drawnAt = Number.NEGATIVE_INFINITY;
  #stop: () => void = () => {};

  constructor(io: CommandIo) {
    this.#io = io;
  }

  attach(trace: Trace): void {
    const ends = [
      trace.on("source.progress", ({ system, received, total }) => {
        this.#update(`download (${system})`, received >= total && total > 0 ? "fetched" : "fetching", received, total);
      }),
      trace.on("campaign.progress", ({ ecu, phase, done, total }) => this.#update(ecu, phase, done, total)),
      trace.on("campaign.ecuFailed", ({ ecu, phase, code, reason }) => {
        this.#say(`${ecu} failed in ${phase}: ${code}: ${reason}`);
      }),
      trace.on("campaign.state", ({ to }) => this.#say(`campaign: ${to}`)),
      trace.on("source.failed", ({ system, code, reason }) => this.#say(`${system}: ${code}: ${reason}`)),
      trace.on("source.resumed", ({ system, offset }) => this.#say(`${system}: resumed at byte ${offset}`)),
      trace.on("fault.injected", ({ fault, target, detail }) =>
        this.#say(`fault: ${fault} ${target} ${detail}`.trim()),
      ),
    ];
    this.#stop = () => {
      for (const end of ends) end();
    };
  }

  /** Draws the last state and stops listening. */
  close(): void {
    this.#stop();
    if (this.#io.isTty) this.#draw();
  }

  #update(name: string, phase: string, done: number, total: number): void {
    const row = this.#rows.get(name) ?? { name, phase, done, total, told: "" };
    this.#rows.set(name, row);
    row.phase = phase;
    row.done = done;
    row.total = total;
    if (!this.#io.isTty) this.#tell(row);
    else if (this.#io.now() - this.#drawnAt >= REDRAW_MS) this.#draw();
  }

  #tell(row: Row): void {
    const percent = percentOf(row);
    const told = `${row.phase} ${Math.floor(percent / PLAIN_STEP)}`;
    if (told === row.told) return;
    row.told = told;
    this.#io.stdout.write(`${row.name}  ${row.phase}${row.total > 0 ? `  ${percent} %` : ""}\n`);
  }

  /** A line that stays, above the bars. */
  #say(text: string): void {
    if (!this.#io.isTty) {
      this.#io.stdout.write(`${text}\n`);
      return;
    }
    this.#io.stdout.write(`${this.#erase()}${text}\n`);
    this.#drawnRows = 0;
    this.#draw();
  }

  #draw(): void {
    const rows = [...this.#rows.values()];
    const width = Math.max(0, ...rows.map(({ name }) => name.length));
    const lines = rows.map((row) => `${this.#line(row, width)}\n`).join("");
    this.#io.stdout.write(this.#erase() + lines);
    this.#drawnRows = rows.length;
    this.#drawnAt = this.#io.now();
  }

  /** Goes back to where the bars begin and clears from there. */
  #erase(): string {
    return this.#drawnRows === 0 ? "" : `${ESCAPE}${this.#drawnRows}A${ESCAPE}0J`;
  }

  #line(row: Row, width: number): string {
    const percent = percentOf(row);
    const filled = Math.round((percent * BAR_WIDTH) / 100);
    const bar = `[${"#".repeat(filled)}${"-".repeat(BAR_WIDTH - filled)}]`;
    const line = `${row.name.padEnd(width)}  ${bar} ${String(percent).padStart(3)} %  ${row.phase}`;
    return line.slice(0, Math.max(this.#io.columns - 1, 1));
  }
}

const percentOf = ({ done, total }: Row): number => (total > 0 ? Math.floor((100 * Math.min(done, total)) / total) : 0);
