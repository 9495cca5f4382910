import type { StreamLink } from "../../emulator/bus/link.ts";
import type { BenchError } from "../../emulator/kernel/errors.ts";
import type { Stateful } from "../../emulator/kernel/machine.ts";
import { Pump } from "../../emulator/kernel/pump.ts";
import type { Timeline } from "../../emulator/kernel/timeline.ts";
import { DoipTester, type DoipTesterConfig, type DoipTesterInput, type DoipTesterOutput } from "../doip/doip-tester.ts";

/** Who is told what happens to the messages of one zone. `target` and `source` are DoIP addresses of ECUs. */
export interface ZoneListener {
  acknowledged(target: number): void;
  refused(target: number, code: number): void;
  received(source: number, data: Uint8Array): void;
  /** The connection is gone; what was under way to any ECU of the zone is lost. */
  lost(error: BenchError): void;
}

export interface ZoneConnectionState {
  readonly tester: unknown;
  readonly ready: boolean;
  readonly waiting: readonly { readonly target: number; readonly data: Uint8Array }[];
}

/** More requests than that never wait for one connection: there is one a time for each ECU. */
const WAITING_MAX = 256;

/**
 * The vehicle gateway's DoIP connection to one zonal gateway: opened when something is to be sent, closed when the
 * gateway says so, opened again after a loss when something is to be sent again.
 */
export class ZoneConnection implements Stateful<ZoneConnectionState> {
  readonly #tester: DoipTester;
  readonly #pump: Pump<DoipTesterInput, DoipTesterOutput>;
  readonly #stream: StreamLink;
  readonly #listener: ZoneListener;
  readonly #fresh: unknown;
  #ready = false;
  #waiting: readonly { readonly target: number; readonly data: Uint8Array }[] = [];

  constructor(config: DoipTesterConfig, timeline: Timeline, stream: StreamLink, listener: ZoneListener) {
    this.#tester = new DoipTester(config);
    this.#fresh = this.#tester.save();
    this.#stream = stream;
    this.#listener = listener;
    this.#pump = new Pump(this.#tester, timeline, (output) => this.#deliver(output));
    stream.attach({
      opened: () => this.#pump.push({ type: "opened" }),
      received: (data) => this.#pump.push({ type: "bytes", data }),
      closed: (reason) => this.#pump.push({ type: "closed", reason }),
    });
  }

  send(target: number, data: Uint8Array): void {
    if (this.#ready) {
      this.#pump.push({ type: "send", target, data });
      return;
    }
    if (this.#waiting.length < WAITING_MAX) this.#waiting = [...this.#waiting, { target, data }];
    this.#pump.push({ type: "connect" });
  }

  close(): void {
    this.#waiting = [];
    this.#ready = false;
    this.#pump.push({ type: "disconnect" });
  }

  /** Power is gone: everything is forgotten, the other end sees its connection die. */
  powerOff(): void {
    this.#tester.load(this.#fresh as never);
    this.#pump.settle();
    this.#waiting = [];
    this.#ready = false;
    this.#stream.close();
  }

  save(): ZoneConnectionState {
    return { tester: this.#tester.save(), ready: this.#ready, waiting: this.#waiting };
  }

  load(state: ZoneConnectionState): void {
    this.#tester.load(state.tester as never);
    this.#ready = state.ready;
    this.#waiting = state.waiting;
  }

  #deliver(output: DoipTesterOutput): void {
    switch (output.type) {
      case "open":
        this.#stream.open();
        return;
      case "bytes":
        this.#stream.send(output.data);
        return;
      case "close":
        this.#stream.close();
        return;
      case "ready":
        this.#connected();
        return;
      case "acknowledged":
        this.#listener.acknowledged(output.target);
        return;
      case "refused":
        this.#listener.refused(output.target, output.code);
        return;
      case "message":
        this.#listener.received(output.source, output.data);
        return;
      case "lost":
        this.#ready = false;
        this.#waiting = [];
        this.#listener.lost(output.error);
        return;
    }
  }

  #connected(): void {
    this.#ready = true;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { target, data } of waiting) this.#pump.push({ type: "send", target, data });
  }
}
