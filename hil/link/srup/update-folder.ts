import { createHash } from "node:crypto";
import { readdirSync, renameSync, rmSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import type { DownloadFailure, SrupDeviceInput, SrupDeviceOutput } from "../../../gateway/source/srup/device-io.ts";
import { syncFolder } from "../../record/durable-file.ts";
import { HttpExchange } from "../http-exchange.ts";
import { FILE_TIMEOUTS, getFollowing } from "./file-fetch.ts";
import type { ToldOutput } from "./party-link.ts";

export interface UpdateFolderOptions {
  /** It must be there. */
  readonly folder: string;
  /** Of https servers, PEM. */
  readonly ca: string;
  /** Longer files are not taken; bytes. */
  readonly bodyMax: number;
  /** The SHA-256 that the server named for a download under way, lower-case hexadecimal. */
  readonly digestOf: (download: number) => string;
  readonly tell: (input: SrupDeviceInput & { type: "downloaded" | "downloadFailed" }) => void;
  /** An order to install has been carried out: the file's path; undefined when it is not there any more. */
  readonly installed: (path: string | undefined) => void;
}

const FETCHED = /^(\d+)-([0-9a-f]{64})\.fetched$/;

const FAILURES: Readonly<Record<string, DownloadFailure>> = {
  HOST_TIMEOUT: "timeout",
  HOST_PROTOCOL: "protocol",
  HOST_BODY_TOO_LONG: "tooLarge",
};

type End = { readonly digest: string } | { readonly failure: DownloadFailure };

/**
 * The files of a device that does nothing but keep them. `<download>.part` is on its way, `<download>-<SHA-256>.fetched` is
 * whole and waits for its activation, and `<SHA-256>.bin` was activated. A file is on disk before its server is told of it,
 * so that an activation that comes after a crash finds it.
 */
export class UpdateFolder {
  readonly #options: UpdateFolderOptions;
  /** What is being fetched; the role wants one file at a time. */
  #current: { readonly download: number; http: HttpExchange | undefined } | undefined;
  #fetching: Promise<void> = Promise.resolve();

  constructor(options: UpdateFolderOptions) {
    this.#options = options;
  }

  /** The downloads whose files wait. */
  fetched(): readonly number[] {
    return this.#waiting().map(({ download }) => download);
  }

  /** Does what the role wants done with files. */
  said(output: ToldOutput<SrupDeviceOutput>): void {
    if (output.type === "download") {
      const { download, url } = output;
      this.#fetching = this.#fetching.then(() => this.#fetch(download, url));
    } else if (output.type === "abandon") this.#abandon(output.download);
    else if (output.type === "activate") this.#install(output.download);
  }

  async close(): Promise<void> {
    if (this.#current !== undefined) this.#abandon(this.#current.download);
    await this.#fetching;
  }

  #abandon(download: number): void {
    if (this.#current?.download !== download) return;
    void this.#current.http?.abandon();
    this.#current = undefined;
  }

  #waiting(): { path: string; download: number; digest: string }[] {
    const { folder } = this.#options;
    return readdirSync(folder).flatMap((name) => {
      const [, download, digest = ""] = FETCHED.exec(name) ?? [];
      return download === undefined ? [] : [{ path: join(folder, name), download: Number(download), digest }];
    });
  }

  async #fetch(download: number, url: string): Promise<void> {
    const { folder, tell, digestOf } = this.#options;
    const part = join(folder, `${download}.part`);
    const current = { download, http: undefined };
    this.#current = current;
    const end = await this.#received(part, url, current).catch((): End => ({ failure: "storage" }));
    if (this.#current !== current) {
      discard(part);
      return;
    }
    this.#current = undefined;
    if ("failure" in end) {
      discard(part);
      tell({ type: "downloadFailed", download, failure: end.failure });
      return;
    }
    const isKept = end.digest !== digestOf(download) || this.#keep(part, download, end.digest);
    discard(part);
    tell(
      isKept
        ? { type: "downloaded", download, digest: end.digest }
        : { type: "downloadFailed", download, failure: "storage" },
    );
  }

  async #received(part: string, url: string, current: { http: HttpExchange | undefined }): Promise<End> {
    if (!URL.canParse(url)) return { failure: "url" };
    const { ca, bodyMax } = this.#options;
    const begin = (there: string): HttpExchange => {
      const request = { kind: "http", method: "GET", url: there, headers: {}, ca, tlsMin: "1.2", bodyMax } as const;
      current.http = new HttpExchange(request, FILE_TIMEOUTS);
      return current.http;
    };
    const got = await getFollowing(url, begin);
    if (got.type === "failed") return { failure: FAILURES[got.code] ?? "unreachable" };
    if (got.head.status >= 400) {
      await got.http.abandon();
      return { failure: "status" };
    }
    const hash = createHash("sha256");
    const file = await open(part, "w", 0o600);
    try {
      for (let answer = await got.http.next(); answer.type !== "end"; answer = await got.http.next()) {
        if (answer.type === "failed") return { failure: FAILURES[answer.code] ?? "unreachable" };
        if (answer.type !== "body") continue;
        hash.update(answer.data);
        await file.writeFile(answer.data);
      }
      await file.sync();
    } finally {
      await file.close();
    }
    return { digest: hash.digest("hex") };
  }

  /** The last good one is the only one that can be activated. @returns whether it could be stored */
  #keep(part: string, download: number, digest: string): boolean {
    const { folder } = this.#options;
    try {
      const before = this.#waiting();
      renameSync(part, join(folder, `${download}-${digest}.fetched`));
      for (const { path } of before) rmSync(path, { force: true });
      syncFolder(folder);
      return true;
    } catch {
      return false;
    }
  }

  #install(download: number): void {
    const { folder, installed } = this.#options;
    let path: string | undefined;
    try {
      const file = this.#waiting().find((each) => each.download === download);
      if (file !== undefined) {
        renameSync(file.path, join(folder, `${file.digest}.bin`));
        syncFolder(folder);
        path = join(folder, `${file.digest}.bin`);
      }
    } catch {
      path = undefined;
    }
    installed(path);
  }
}

/** What can't be taken away is overwritten by the next one of that name. */
function discard(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // the folder itself may be gone
  }
}
