import type { Machine, Stateful } from "../../../emulator/kernel/machine.ts";
import type { PeerInput } from "../../../gateway/source/srup/role-io.ts";
import type { StateFile } from "../../record/state-file.ts";
import { LiveMachine } from "./live-machine.ts";
import type { BrokerAccess } from "./mqtt-link.ts";
import { isLinkOutput, PartyLink, type PeerKeys, type ToldOutput } from "./party-link.ts";

export interface PeerRunnerOptions<Input, Output extends { type: string }> {
  readonly identity: string;
  readonly machine: Machine<Input | PeerInput, Output> & Stateful<unknown>;
  readonly access: BrokerAccess;
  readonly keys: PeerKeys;
  readonly store: StateFile;
  /** What the machine says, but for what is carried out here. */
  readonly said: (output: ToldOutput<Output>) => void;
  readonly connected?: () => void;
  readonly lost?: (reason: string) => void;
}

/** A party of SRUP of either role on a real broker, in real time. */
export class PeerRunner<Input extends { type: string }, Output extends { type: string }> {
  readonly #live: LiveMachine<Input | PeerInput, Output>;
  readonly #link: PartyLink;

  constructor(options: PeerRunnerOptions<Input, Output>) {
    const { identity, machine, access, keys, store, said, connected, lost } = options;
    this.#live = new LiveMachine(machine, store, (output) => {
      if (isLinkOutput(output)) this.#link.act(output);
      else said(output as ToldOutput<Output>);
    });
    this.#link = new PartyLink(identity, access, keys, {
      heard: (input) => this.#live.push(input),
      ...(connected !== undefined && { connected }),
      ...(lost !== undefined && { lost }),
    });
  }

  /** @throws {UsageError} what the machine throws */
  push(input: Input): void {
    this.#live.push(input);
  }

  /** @param atOnce like a crash: what the broker has not taken yet is lost */
  async close(atOnce = false): Promise<void> {
    this.#live.close();
    await this.#link.close(atOnce);
  }
}
