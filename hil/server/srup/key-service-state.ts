import { createPrivateKey, type KeyObject, randomBytes } from "node:crypto";
import { z } from "zod";
import { InvariantError, UsageError } from "../../../emulator/kernel/errors.ts";
import {
  makeAuthority,
  makeServerCertificate,
  type ServerCertificateOptions,
  signRequest,
} from "../../crypto/certificates.ts";
import { makeRequest, readRequest } from "../../crypto/csr.ts";
import type { PeerKeys } from "../../link/srup/party-link.ts";
import type { StateFile } from "../../record/state-file.ts";

const AUTHORITY = "otabench SRUP CA";

const schema = z.object({
  identity: z.string(),
  /** PEM, PKCS#8: signs server tokens and answers to `validate`. */
  privateKey: z.string(),
  authorityKey: z.string(),
  authority: z.string(),
  /** By identity; keys are SubjectPublicKeyInfo, PEM. */
  peers: z.record(z.string(), z.object({ key: z.string(), type: z.string() })),
  /** The server that devices are told of. */
  defaultServer: z.string().optional(),
});
type State = z.infer<typeof schema>;

/** Who registered: a device of any type, or a server. */
export interface RegisteredPeer {
  readonly key: string;
  readonly type: string;
}

/** What a key service remembers: its own keys, those of its certification authority, and who registered. */
export class KeyServiceState {
  readonly #file: StateFile;
  #state: State;

  /** @param makeKey RSA @throws {UsageError} for a file that holds something else */
  constructor(file: StateFile, makeKey: () => KeyObject) {
    this.#file = file;
    const read = file.read();
    const parsed = read === undefined ? { success: true as const, data: newState(makeKey) } : schema.safeParse(read);
    if (!parsed.success) throw new UsageError("the state of the key service is none");
    this.#state = parsed.data;
    file.write(this.#state);
  }

  get identity(): string {
    return this.#state.identity;
  }

  get privateKey(): string {
    return this.#state.privateKey;
  }

  /** The certificate of the authority that brokers and their clients trust, PEM. */
  get authority(): string {
    return this.#state.authority;
  }

  get signer(): { name: string; key: KeyObject } {
    return { name: AUTHORITY, key: createPrivateKey(this.#state.authorityKey) };
  }

  get defaultServer(): string | undefined {
    return this.#state.defaultServer;
  }

  peer(identity: string): RegisteredPeer | undefined {
    return Object.hasOwn(this.#state.peers, identity) ? this.#state.peers[identity] : undefined;
  }

  get peerCount(): number {
    return Object.keys(this.#state.peers).length;
  }

  addPeer(identity: string, peer: RegisteredPeer): void {
    this.#set({ peers: { ...this.#state.peers, [identity]: peer } });
  }

  setDefaultServer(identity: string): void {
    this.#set({ defaultServer: identity });
  }

  /** A broker's certificate for these names, from our authority; PEM. */
  brokerCertificate(key: KeyObject, options: ServerCertificateOptions): string {
    return makeServerCertificate(key, this.signer, options);
  }

  /** A certificate for the broker. @param key RSA private key, PEM @returns PEM */
  clientCertificate(identity: string, key: string): string {
    const request = readRequest(makeRequest(identity, createPrivateKey(key)));
    if (request === undefined) throw new InvariantError("a request of our own that can't be read");
    return signRequest(request, this.signer);
  }

  /** Keys for parties in this process. */
  get lookUp(): PeerKeys {
    return {
      key: async (identity) => this.peer(identity)?.key,
      type: async (identity) => this.peer(identity)?.type,
    };
  }

  #set(change: Partial<State>): void {
    this.#state = { ...this.#state, ...change };
    this.#file.write(this.#state);
  }
}

function newState(makeKey: () => KeyObject): State {
  const authorityKey = makeKey();
  const pem = (key: KeyObject): string => key.export({ format: "pem", type: "pkcs8" }) as string;
  return {
    identity: randomBytes(8).readBigUInt64BE().toString(16),
    privateKey: pem(makeKey()),
    authorityKey: pem(authorityKey),
    authority: makeAuthority(AUTHORITY, authorityKey),
    peers: {},
  };
}
