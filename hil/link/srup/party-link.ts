import type { PeerInput, RoleOutput } from "../../../gateway/source/srup/role-io.ts";
import { type BrokerAccess, MqttLink } from "./mqtt-link.ts";

type LinkOutput = Extract<RoleOutput, { type: "publish" | "subscribe" | "unsubscribe" | "lookUpKey" }>;

/** What a party's link deals with by itself, of all that its machine says. */
const LINK_OUTPUTS = ["publish", "subscribe", "unsubscribe", "lookUpKey"] as const;

/** Who knows the keys of others. */
export interface PeerKeys {
  /** @returns undefined when there is none, or nobody can be asked */
  key(identity: string): Promise<string | undefined>;
  type(identity: string): Promise<string | undefined>;
}

export interface PartyLinkEvents {
  heard(input: PeerInput): void;
  /** It has been told by `heard` already. */
  connected?: () => void;
  lost?: (reason: string) => void;
}

/** One party on its broker: carries out what a role wants of it and of the key service, in order. */
export class PartyLink {
  readonly #link: MqttLink;
  readonly #keys: PeerKeys;
  readonly #events: PartyLinkEvents;
  /** A subscription is waited for before anything more is sent. */
  #work: Promise<void> = Promise.resolve();

  constructor(identity: string, access: BrokerAccess, keys: PeerKeys, events: PartyLinkEvents) {
    this.#keys = keys;
    this.#events = events;
    this.#link = new MqttLink(identity, access, {
      connected: () => {
        events.heard({ type: "connected" });
        events.connected?.();
      },
      message: (topic, payload) => events.heard({ type: "message", topic, payload }),
      lost: (reason) => events.lost?.(reason),
    });
  }

  act(output: LinkOutput): void {
    switch (output.type) {
      case "publish":
        this.#queue(async () => this.#link.publish(output.topic, output.payload));
        return;
      case "subscribe":
        this.#queue(() => this.#link.subscribe(output.topic));
        return;
      case "unsubscribe":
        this.#queue(async () => this.#link.unsubscribe(output.topic));
        return;
      case "lookUpKey":
        void this.#keys.key(output.peer).then((key) => {
          this.#events.heard({ type: "key", peer: output.peer, ...(key !== undefined && { key }) });
        });
    }
  }

  /** @param atOnce like a crash: what the broker has not taken yet is lost */
  async close(atOnce = false): Promise<void> {
    if (!atOnce) await this.#work;
    await this.#link.close(atOnce);
  }

  #queue(work: () => Promise<void>): void {
    this.#work = this.#work.then(work, work);
  }
}

export const isLinkOutput = (output: { readonly type: string }): output is LinkOutput =>
  (LINK_OUTPUTS as readonly string[]).includes(output.type);

/** What is left for the application. */
export type ToldOutput<Output extends { type: string }> = Exclude<Output, { type: LinkOutput["type"] }>;
