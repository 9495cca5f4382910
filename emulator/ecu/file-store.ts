import type { Stateful } from "../kernel/machine.ts";
import { joined } from "../uds/service.ts";
import type { FileSystemConfig } from "./data-config.ts";

interface StoredFile {
  readonly path: string;
  readonly data: Uint8Array;
}

/** A file of which not all has come. */
interface BegunFile {
  readonly path: string;
  readonly size: number;
  readonly received: number;
  readonly pieces: readonly Uint8Array[];
}

export interface FileStoreState {
  readonly files: readonly StoredFile[];
  readonly begun: readonly BegunFile[];
}

const PIECE_LENGTH = 4096;
const PATH = /^(\/[A-Za-z0-9._-]+)*\/?$/;

/**
 * A small file system in non-volatile memory. A file that is being written stands beside the one of the same path until
 * it is whole, and takes its place in one step. Directories are there while something is in them.
 */
export class FileStore implements Stateful<FileStoreState> {
  readonly #config: FileSystemConfig;
  #files: readonly StoredFile[] = [];
  #begun: readonly BegunFile[] = [];

  constructor(config: FileSystemConfig) {
    this.#config = config;
  }

  isPath(path: string): boolean {
    return path.length > 0 && path.length <= this.#config.pathLengthMax && PATH.test(path);
  }

  exists(path: string): boolean {
    return this.#files.some((file) => file.path === path);
  }

  begun(path: string): BegunFile | undefined {
    return this.#begun.find((file) => file.path === path);
  }

  read(path: string): Uint8Array | undefined {
    return this.#files.find((file) => file.path === path)?.data;
  }

  /** What came before of the same path is given up. @returns false when there is no room */
  begin(path: string, size: number): boolean {
    const others = this.#begun.filter((file) => file.path !== path);
    const taken = sum(this.#files.map(({ data }) => data.length)) + sum(others.map((file) => file.size));
    const paths = new Set([...this.#files, ...others].map((file) => file.path)).add(path);
    if (taken + size > this.#config.size || paths.size > this.#config.filesMax) return false;
    this.#begun = [...others, { path, size, received: 0, pieces: [] }];
    return true;
  }

  append(path: string, data: Uint8Array): void {
    this.#begun = this.#begun.map((file) =>
      file.path === path
        ? { ...file, received: file.received + data.length, pieces: appended(file.pieces, data) }
        : file,
    );
  }

  finish(path: string): void {
    const file = this.begun(path);
    if (file === undefined) return;
    const data = new Uint8Array(file.size);
    let offset = 0;
    for (const piece of file.pieces) {
      data.set(piece, offset);
      offset += piece.length;
    }
    this.remove(path);
    this.#files = [...this.#files, { path, data }].sort((one, other) => (one.path < other.path ? -1 : 1));
  }

  remove(path: string): void {
    this.#files = this.#files.filter((file) => file.path !== path);
    this.#begun = this.#begun.filter((file) => file.path !== path);
  }

  /** One line for each entry: a directory as "name/", a file as "name size", one that is not whole as "name got/size". */
  list(path: string): Uint8Array | undefined {
    const directory = path.endsWith("/") ? path : `${path}/`;
    const lines = new Set<string>();
    const add = (whole: string, size: string): void => {
      if (!whole.startsWith(directory)) return;
      const [name, ...rest] = whole.slice(directory.length).split("/");
      lines.add(rest.length > 0 ? `${name}/\n` : `${name} ${size}\n`);
    };
    for (const file of this.#files) add(file.path, `${file.data.length}`);
    for (const file of this.#begun) add(file.path, `${file.received}/${file.size}`);
    if (lines.size === 0 && directory !== "/") return undefined;
    const text = [...lines].sort().join("");
    return Uint8Array.from(text, (character) => character.charCodeAt(0));
  }

  save(): FileStoreState {
    return { files: this.#files, begun: this.#begun };
  }

  load(state: FileStoreState): void {
    this.#files = state.files;
    this.#begun = state.begun;
  }
}

/** Short pieces are put together, so that a file of single bytes takes no more than its size. */
function appended(pieces: readonly Uint8Array[], data: Uint8Array): readonly Uint8Array[] {
  const last = pieces.at(-1);
  if (last === undefined || last.length + data.length > PIECE_LENGTH) return [...pieces, data];
  return [...pieces.slice(0, -1), joined(last, data)];
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
