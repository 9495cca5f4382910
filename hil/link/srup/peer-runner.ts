import type { Machine, Stateful } from "../../../emulator/kernel/machine.ts";
import type { Instant } from "../../../emulator/kernel/time.ts";
import type { PeerInput, RoleOutput } from "../../../gateway/source/srup/role-io.ts";
import type { StateFile } from "../../record/state-file.ts";
import type { KeyClient } from "./key-client.ts";
import { type BrokerAccess, MqttLink } from "./mqtt-link.ts";

const NS_PER_MS = 1_000_000;
const TIMER_MAX_MS = 2 ** 31 - 1;

/** What is kept of a party between two processes. Deadlines count from `origin`, milliseconds of the wall clock. */
interface SavedPeer {
  readonly origin: number;
  readonly state: unknown;
}

/** One party of SRUP: a machine of either role. */
type Peer<Input, Output> = Machine<Input | PeerInput, Output | RoleOutput> & Stateful<unknown>;

export interface PeerRunnerOptions<Input, Output> {
  readonly identity: string;
  readonly machine: Peer<Input, Output>;
  readonly access: BrokerAccess;
  readonly keys: KeyClient;
  readonly store: StateFile;
  /** What the machine says, but for what is carried out here. */
  readonly said: (
    output: Exclude<Output | RoleOutput, { type: "publish" | "subscribe" | "unsubscribe" | "lookUpKey" }>,
  ) => void;
  readonly connected?: () => void;
  readonly lost?: (reason: string) => void;
}

/**
 * A party of SRUP on a real broker in real time. Whatever is sent has been stored before, so that no restart makes a peer
 * refuse what comes next.
 */
export class PeerRunner<Input extends { type: string }, Output extends { type: string }> {
  readonly #options: PeerRunnerOptions<Input, Output>;
  readonly #origin: number;
  readonly #link: MqttLink;
  /** What is to be done, in order: a subscription is waited for before anything is sent. */
  #work: Promise<void> = Promise.resolve();
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(options: PeerRunnerOptions<Input, Output>) {
    const { identity, machine, access, store, lost } = options;
    this.#options = options;
    const saved = store.read() as SavedPeer | undefined;
    this.#origin = saved?.origin ?? Date.now();
    if (saved !== undefined) machine.load(saved.state);
    this.#link = new MqttLink(identity, access, {
      connected: () => {
        this.push({ type: "connected" });
        options.connected?.();
      },
      message: (topic, payload) => this.push({ type: "message", topic, payload }),
      lost: (reason) => lost?.(reason),
    });
  }

  /** @throws {UsageError} what the machine throws */
  push(input: Input | PeerInput): void {
    if (this.#isClosed) return;
    this.#options.machine.handle(input, this.#now());
    this.#drain();
  }

  /** @param atOnce like a crash: what the broker has not taken yet is lost */
  async close(atOnce = false): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    if (!atOnce) await this.#work;
    await this.#link.close(atOnce);
  }

  #now(): Instant {
    return (Math.max(0, Date.now() - this.#origin) * NS_PER_MS) as Instant;
  }

  #drain(): void {
    const { machine, store } = this.#options;
    const outputs: (Output | RoleOutput)[] = [];
    for (let output = machine.poll(); output !== undefined; output = machine.poll()) outputs.push(output);
    if (outputs.length > 0) store.write({ origin: this.#origin, state: machine.save() } satisfies SavedPeer);
    for (const output of outputs) this.#do(output);
    this.#arm();
  }

  #do(output: Output | RoleOutput): void {
    const { keys, said } = this.#options;
    const role = output as RoleOutput;
    switch (role.type) {
      case "publish":
        this.#queue(async () => this.#link.publish(role.topic, role.payload));
        return;
      case "subscribe":
        this.#queue(() => this.#link.subscribe(role.topic));
        return;
      case "unsubscribe":
        this.#queue(async () => this.#link.unsubscribe(role.topic));
        return;
      case "lookUpKey":
        void keys.key(role.peer).then((key) => {
          this.push({ type: "key", peer: role.peer, ...(key !== undefined && { key }) });
        });
        return;
      case "unsent":
      case "refused":
      case "action":
      case "data":
      case "identified":
      case "response":
        said(role as Parameters<typeof said>[0]);
        return;
      default:
        said(output as Parameters<typeof said>[0]);
    }
  }

  #queue(work: () => Promise<void>): void {
    this.#work = this.#work.then(work, work);
  }

  #arm(): void {
    clearTimeout(this.#timer);
    const deadline = this.#options.machine.nextDeadline();
    if (deadline === undefined || this.#isClosed) return;
    const delay = Math.min(TIMER_MAX_MS, Math.max(1, Math.ceil((deadline - this.#now()) / NS_PER_MS)));
    this.#timer = setTimeout(() => {
      this.#options.machine.handleDeadline(this.#now());
      this.#drain();
    }, delay);
  }
}
