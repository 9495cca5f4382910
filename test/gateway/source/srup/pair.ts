import { type Instant, RUN_START } from "../../../../emulator/kernel/time.ts";
import { SrupDevice } from "../../../../gateway/source/srup/device.ts";
import type { SrupDeviceConfig, SrupDeviceInput, SrupDeviceOutput } from "../../../../gateway/source/srup/device-io.ts";
import { SrupServer } from "../../../../gateway/source/srup/server.ts";
import type { SrupServerConfig, SrupServerInput, SrupServerOutput } from "../../../../gateway/source/srup/server-io.ts";
import type { RandomBytes } from "../../../../gateway/source/srup/srup-crypto.ts";
import { nodeSrupCrypto } from "../../../../hil/crypto/srup-crypto.ts";
import { pemOf } from "./vectors.ts";

export const SERVER = "b9d077e223834cf6";
export const DEVICE = "1a2b3c4d5e6f7081";
export const OBSERVER = "7f3c9a1e55d20b68";
export const PUBLIC_KEYS: Readonly<Record<string, string>> = {
  [SERVER]: pemOf("keys/server.pub.pem"),
  [DEVICE]: pemOf("keys/device.pub.pem"),
  [OBSERVER]: pemOf("keys/observer.pub.pem"),
};
const crypto = nodeSrupCrypto();

/** Different bytes at every call, the same in every run. */
export function countedBytes(): RandomBytes {
  let count = 0;
  return {
    bytes: (length) => Uint8Array.from({ length }, (_, index) => (++count * 31 + index * 7) & 0xff),
    save: () => count,
    load: (state) => {
      count = Number(state);
    },
  };
}

export const makeDevice = (identity = DEVICE, config: Partial<SrupDeviceConfig> = {}): SrupDevice =>
  new SrupDevice(
    {
      identity,
      privateKey: pemOf(identity === DEVICE ? "keys/device.pem" : "keys/observer.pem"),
      identification: "a device",
      server: SERVER,
      ...config,
    },
    { crypto, random: countedBytes() },
  );

export const makeServer = (config: Partial<SrupServerConfig> = {}): SrupServer =>
  new SrupServer(
    { identity: SERVER, privateKey: pemOf("keys/server.pem"), identification: "a server", ...config },
    { crypto, random: countedBytes() },
  );

type Told = SrupDeviceOutput | SrupServerOutput;

/** A server and devices around a broker that delivers at once, with a key service that knows them all. */
export class Network {
  now: Instant = RUN_START;
  server: SrupServer;
  readonly devices = new Map<string, SrupDevice>();
  readonly told: (Told & { readonly of: string })[] = [];
  /** Everything that was published. */
  readonly published: { readonly topic: string; readonly payload: Uint8Array }[] = [];
  isKeyServiceUp = true;
  /** What the key service knows. */
  keys: Readonly<Record<string, string>> = PUBLIC_KEYS;

  constructor(server = makeServer(), devices: Readonly<Record<string, SrupDevice>> = { [DEVICE]: makeDevice() }) {
    this.server = server;
    for (const [identity, device] of Object.entries(devices)) this.devices.set(identity, device);
  }

  device(identity: string, input: SrupDeviceInput): void {
    this.devices.get(identity)?.handle(input, this.now);
    this.drain();
  }

  command(input: SrupServerInput): void {
    this.server.handle(input, this.now);
    this.drain();
  }

  at(now: Instant): void {
    this.now = now;
    this.server.handleDeadline(now);
    for (const device of this.devices.values()) device.handleDeadline(now);
    this.drain();
  }

  /** What was told since the last call. */
  take(): unknown[] {
    return this.told.splice(0);
  }

  drain(): void {
    for (let rest = 1_000; this.#step(); rest--) if (rest === 0) throw new Error("they never stop");
  }

  #step(): boolean {
    const parties = [[SERVER, this.server], ...this.devices] as [string, SrupServer | SrupDevice][];
    for (const [of, party] of parties) {
      const output = party.poll();
      if (output === undefined) continue;
      this.#said(of, party, output);
      return true;
    }
    return false;
  }

  #said(of: string, party: SrupServer | SrupDevice, output: Told): void {
    if (output.type === "publish") {
      this.published.push(output);
      const message = { type: "message", topic: output.topic, payload: output.payload } as const;
      this.server.handle(message, this.now);
      for (const [identity, device] of this.devices) {
        if (output.topic === `SRUP/${identity}`) device.handle(message, this.now);
      }
    } else if (output.type === "lookUpKey") {
      const key = this.isKeyServiceUp ? this.keys[output.peer] : undefined;
      party.handle({ type: "key", peer: output.peer, ...(key !== undefined && { key }) }, this.now);
    } else if (output.type !== "lookUpType" && output.type !== "subscribe") {
      this.told.push({ of, ...output });
    }
  }
}
