import type { Stateful } from "../../../emulator/kernel/machine.ts";
import type { SrupBody } from "./message-types.ts";
import type { RefusalReason } from "./party.ts";
import type { SrupServerOutput, SyndicationInput, SyndicationState } from "./server-io.ts";
import type { SrupMessage } from "./srup-message.ts";
import {
  needsActive,
  type SyndicatedMessage,
  syndicatedBodies,
  syndicatedData,
  syndicatedOutput,
} from "./syndication.ts";
import { encodeCString } from "./values.ts";

interface SyndicationMouth {
  say(output: SrupServerOutput): void;
  /** @returns whether it went out */
  send(peer: string, body: SrupBody, token?: Uint8Array): boolean;
  /** @returns undefined when the peer has no key that could be used, which has been told */
  seal(peer: string, value: string, body: SrupBody["type"]): Uint8Array | undefined;
  open(encrypted: Uint8Array): string | undefined;
  /** Whether a device of that identity has joined. */
  isOurs(device: string): boolean;
}

const NONE: SyndicationState = { active: false, device: undefined, isHome: false };

/** A server's part in syndication, at home or as the foreign one. (docs/protocols/srup.md, Syndication) */
export class ServerSyndication implements Stateful<SyndicationState> {
  readonly #mouth: SyndicationMouth;
  #state = NONE;

  constructor(mouth: SyndicationMouth) {
    this.#mouth = mouth;
  }

  /** @returns why the message is refused */
  received(message: SyndicatedMessage, peer: string): RefusalReason | undefined {
    const { active, device } = this.#state;
    if (device === undefined || (!active && needsActive(message))) return "syndicationInactive";
    if (device !== peer) return "sender";
    const output = syndicatedOutput(message);
    if (output === undefined) return "body";
    if (message.type === "SYNDICATED_DEVICE_COUNT") this.#state = { active: true, device: peer, isHome: true };
    else if (output.type === "syndicationEnded") this.#state = NONE;
    this.#mouth.say(output);
    if (output.type === "syndicatedIdRequest" && this.#mouth.isOurs(output.target))
      this.#mouth.send(output.target, { type: "ID_REQUEST" }, message.token);
    return undefined;
  }

  requested({ encrypted }: SrupMessage & { type: "SYNDICATION_REQUEST" }, device: string): void {
    this.#state = { ...this.#state, active: true };
    this.#mouth.say({ type: "syndicationRequested", device, value: this.#mouth.open(encrypted) });
  }

  /** Data of a device of ours goes to the home server too. */
  passOn(source: string, dataId: string, data: Uint8Array): void {
    const { active, device, isHome } = this.#state;
    if (!active || isHome || device === undefined || device === source) return;
    this.#mouth.send(device, syndicatedData(source, dataId, data));
  }

  /** @throws {UsageError} for a device that is no identity, or a number that its field can't hold */
  command(input: SyndicationInput): void {
    if (input.type === "syndicationInit") {
      const encrypted = this.#mouth.seal(input.device, input.value, "SYNDICATION_INIT");
      if (encrypted === undefined) return;
      this.#state = { active: false, device: input.device, isHome: true };
      this.#mouth.send(input.device, { type: "SYNDICATION_INIT", url: encodeCString(input.url), encrypted });
    } else if (input.type === "syndicationDevice") {
      this.#state = { active: input.device !== undefined, device: input.device, isHome: false };
    } else {
      this.#send(input);
    }
  }

  save(): SyndicationState {
    return this.#state;
  }

  load(state: SyndicationState): void {
    this.#state = state;
  }

  #send(input: Parameters<typeof syndicatedBodies>[0]): void {
    const { device } = this.#state;
    const bodies = syndicatedBodies(input);
    if (device === undefined) {
      const body = (bodies[0] as SrupBody).type;
      this.#mouth.say({ type: "unsent", peer: "", body, reason: "nothingPending" });
      return;
    }
    for (const body of bodies) this.#mouth.send(device, body);
    if (input.type === "syndicatedEnd" || input.type === "syndicatedTerminate") this.#state = NONE;
  }
}
