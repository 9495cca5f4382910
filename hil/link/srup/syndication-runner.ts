import type { SrupDeviceInput } from "../../../gateway/source/srup/device-io.ts";
import {
  type SideOutput,
  SyndicationDevice,
  type SyndicationDeviceInput,
  type SyndicationDeviceOutput,
  type SyndicationSide,
} from "../../../gateway/source/srup/syndication-device.ts";
import { nodeSrupCrypto } from "../../crypto/srup-crypto.ts";
import { StateFile } from "../../record/state-file.ts";
import { type DeviceIdentity, type KeyWish, newIdentity, newKeys, systemRandom } from "./device-identity.ts";
import { KeyClient, type Registration } from "./key-client.ts";
import { LiveMachine } from "./live-machine.ts";
import { isLinkOutput, PartyLink, type ToldOutput } from "./party-link.ts";

/** What keys it makes for itself abroad; the server there must speak the version that they are for. */
export interface SyndicationRunnerOptions extends KeyWish {
  /** Who it is at home. */
  readonly home: DeviceIdentity;
  /** The key service at home. */
  readonly keys: KeyClient;
  /** Of foreign key services, PEM. */
  readonly ca: string;
  readonly store?: StateFile;
  readonly said?: (side: SyndicationSide, output: ToldOutput<SideOutput>, identity: string) => void;
  /** Registration abroad has failed. */
  readonly failed?: (reason: string) => void;
}

/** Type under which a syndication device registers abroad. */
const REGISTRATION_TYPE = "RSYND";

/** A syndication device on two brokers, in real time. */
export class SyndicationRunner {
  readonly #options: SyndicationRunnerOptions;
  readonly #live: LiveMachine<SyndicationDeviceInput, SyndicationDeviceOutput>;
  readonly #home: PartyLink;
  #away: PartyLink | undefined;
  #registration: { readonly as: Registration; readonly identity: string; readonly keys: KeyClient } | undefined;
  #closing: Promise<void> = Promise.resolve();

  constructor(options: SyndicationRunnerOptions) {
    const { home, keys, store = new StateFile() } = options;
    const { identity, registration } = home;
    const { server, serverKey, access } = registration;
    this.#options = options;
    const machine = new SyndicationDevice(
      {
        identity,
        privateKey: home.keys.privateKey,
        identification: "otabench syndication device",
        server,
        keys: { [server]: serverKey },
      },
      { crypto: nodeSrupCrypto(), random: systemRandom },
    );
    this.#live = new LiveMachine(machine, store, (output) => this.#said(output));
    this.#home = new PartyLink(identity, access, keys, {
      heard: (input) => this.#live.push({ type: "side", side: "home", input }),
    });
  }

  push(side: SyndicationSide, input: SrupDeviceInput): void {
    this.#live.push({ type: "side", side, input });
  }

  async close(): Promise<void> {
    this.#live.close();
    await Promise.all([this.#home.close(), this.#away?.close(), this.#closing]);
  }

  #said(output: SyndicationDeviceOutput): void {
    switch (output.type) {
      case "side":
        this.#sideSaid(output.side, output.output);
        return;
      case "register":
        void this.#register(output.url, output.value).catch((error: Error) => this.#options.failed?.(error.message));
        return;
      case "connectAway":
        this.#connectAway();
        return;
      case "disconnectAway":
        this.#closing = this.#away?.close() ?? this.#closing;
        this.#away = undefined;
    }
  }

  #sideSaid(side: SyndicationSide, output: SideOutput): void {
    const link = side === "home" ? this.#home : this.#away;
    if (isLinkOutput(output)) link?.act(output);
    else this.#options.said?.(side, output, side === "home" ? this.#options.home.identity : this.#awayIdentity);
  }

  get #awayIdentity(): string {
    return this.#registration?.identity ?? "";
  }

  async #register(url: string, value: string | undefined): Promise<void> {
    const { ca } = this.#options;
    const keys = new KeyClient(url, ca);
    const identity = newIdentity();
    const own = newKeys(this.#options);
    const as = await keys.register(identity, REGISTRATION_TYPE, own);
    this.#registration = { as, identity, keys };
    const { server, serverKey } = as;
    this.#live.push({
      type: "registered",
      as: { identity, privateKey: own.privateKey, server, serverKey, value },
    });
  }

  #connectAway(): void {
    const registration = this.#registration;
    if (registration === undefined) return;
    const { as, identity, keys } = registration;
    this.#away = new PartyLink(identity, as.access, keys, {
      heard: (input) => this.#live.push({ type: "side", side: "away", input }),
    });
  }
}
