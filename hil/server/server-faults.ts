/**
 * What a server is to do wrong, as data. `path` limits a fault to one file; without it, it holds for all of them.
 * If several of one name fit, the first one counts.
 */
export type ServerFault =
  /**
   * The connection is cut when that many bytes of an answer's body have been sent; with 0, before its head. `requests`:
   * for how many GETs that get that far; for all of them if not given.
   */
  | { readonly name: "dieAfterBytes"; readonly bytes: number; readonly requests?: number; readonly path?: string }
  /** One byte of the file comes with all its bits turned. Lengths and entity tag are those of the right file. */
  | { readonly name: "corruptByteAt"; readonly offset: number; readonly path?: string }
  /** The file is as if it were only so long, its length and entity tag included. */
  | { readonly name: "truncateTo"; readonly length: number; readonly path?: string }
  /** Bodies come at that rate. */
  | { readonly name: "slow"; readonly bytesPerSecond: number; readonly path?: string }
  /** Of the datagrams that come and go, each so-many-th is lost; for systems that do their own transport. */
  | { readonly name: "loseDatagrams"; readonly oneIn: number }
  /** Connections are cut, and new ones as soon as they are made. */
  | { readonly name: "gone" };

export type ServerFaultOf<Name extends ServerFault["name"]> = Extract<ServerFault, { name: Name }>;

/** The faults that are on, and how often those with a limit have happened. */
export class FaultSet {
  readonly #faults: readonly ServerFault[];
  readonly #happened = new Map<ServerFault, number>();

  constructor(faults: readonly ServerFault[]) {
    this.#faults = faults;
  }

  find<Name extends ServerFault["name"]>(name: Name, path: string): ServerFaultOf<Name> | undefined {
    const matches = (fault: ServerFault): fault is ServerFaultOf<Name> =>
      fault.name === name && (!("path" in fault) || fault.path === undefined || fault.path === path);
    return this.#faults.find(matches);
  }

  /** The byte of a body that the connection ends at, when this answer is to die. Counts as having happened. */
  takeDeath(path: string, bodyLength: number): number | undefined {
    const fault = this.find("dieAfterBytes", path);
    if (fault === undefined || fault.bytes >= bodyLength) return undefined;
    const happened = this.#happened.get(fault) ?? 0;
    if (happened >= (fault.requests ?? Number.POSITIVE_INFINITY)) return undefined;
    this.#happened.set(fault, happened + 1);
    return fault.bytes;
  }
}
