import type { Stateful } from "../../../emulator/kernel/machine.ts";
import { type Duration, type Instant, plus } from "../../../emulator/kernel/time.ts";
import { fromHex, toHex } from "../../../emulator/wire/text.ts";
import type { DeviceUpdatesState, DownloadFailure, PendingDownload, SrupDeviceOutput } from "./device-io.ts";
import type { SrupMessage } from "./srup-message.ts";
import { SrupStatus } from "./status.ts";
import { decodeCString } from "./values.ts";

/** Downloads that wait for the one under way, itself included. */
const DOWNLOADS_MAX = 4;

const FAILURE_STATUS: Readonly<Record<DownloadFailure, number>> = {
  unreachable: SrupStatus.UpdateFailServer,
  timeout: SrupStatus.UpdateFailServer,
  status: SrupStatus.UpdateFailFile,
  storage: SrupStatus.UpdateFailFile,
  url: SrupStatus.UpdateFailHttpError,
  tooLarge: SrupStatus.UpdateFailHttpError,
  protocol: SrupStatus.UpdateFailHttpError,
};

const EMPTY: DeviceUpdatesState = {
  downloads: [],
  downloadDeadline: undefined,
  downloadCount: 0,
  open: {},
  activated: {},
  owed: [],
};

interface UpdateMouth {
  say(output: SrupDeviceOutput): void;
  answer(server: string, token: Uint8Array, status: number): void;
}

/**
 * The files that servers want a device to have: one is fetched at a time, in the order in which they were asked for, and
 * the last good one of each server waits to be activated, once.
 */
export class DeviceUpdates implements Stateful<DeviceUpdatesState> {
  readonly #patience: Duration;
  readonly #mouth: UpdateMouth;
  #state: DeviceUpdatesState = EMPTY;

  constructor(patience: Duration, mouth: UpdateMouth) {
    this.#patience = patience;
    this.#mouth = mouth;
  }

  initiate({ url, digest, token }: SrupMessage & { type: "INITIATE" }, server: string, now: Instant): void {
    const where = decodeCString(url);
    if (where === undefined || !/^https?:\/\/[^\s]+$/i.test(where)) {
      this.#mouth.answer(server, token, SrupStatus.UpdateFailHttpError);
      return;
    }
    const { downloads, downloadCount } = this.#state;
    if (downloads.length >= DOWNLOADS_MAX) {
      this.#mouth.answer(server, token, SrupStatus.UpdateFailServer);
      return;
    }
    const what = decodeCString(digest) ?? "";
    const pending = { download: downloadCount, server, token: toHex(token), digest: what, url: where };
    this.#set({ downloads: [...downloads, pending], downloadCount: downloadCount + 1 });
    if (downloads.length === 0) this.#begin(pending, now);
  }

  /** @param digest SHA-256 of the file, lower-case hexadecimal */
  downloaded(download: number, digest: string, now: Instant): void {
    const pending = this.#state.downloads[0];
    if (pending?.download !== download) return;
    const isRight = digest === pending.digest;
    if (isRight) this.#set({ open: { ...this.#state.open, [pending.server]: { token: pending.token, download } } });
    this.#ended(isRight ? SrupStatus.UpdateSuccess : SrupStatus.UpdateFailDigest, now);
  }

  failed(download: number, failure: DownloadFailure, now: Instant): void {
    if (this.#state.downloads[0]?.download === download) this.#ended(FAILURE_STATUS[failure], now);
  }

  /** @returns whether there was such an update; it can't be activated again */
  activate(server: string, token: Uint8Array): boolean {
    const { [server]: open, ...others } = this.#state.open;
    if (open === undefined || open.token !== toHex(token)) return false;
    this.#set({ open: others, activated: { ...this.#state.activated, [server]: open.token } });
    this.#mouth.say({ type: "activate", download: open.download, token });
    return true;
  }

  /** Nobody wants them any more. */
  abandon(): void {
    for (const { download } of this.#state.downloads.slice(0, 1)) this.#mouth.say({ type: "abandon", download });
    this.#set({ downloads: [], downloadDeadline: undefined });
  }

  /** A server has been told that; how an activation went is told once. */
  told(server: string, token: Uint8Array, status: number): void {
    const { [server]: activated, ...others } = this.#state.activated;
    const isEnd = status === SrupStatus.ActivateSuccess || status === SrupStatus.ActivateFail;
    if (isEnd && activated === toHex(token)) this.#set({ activated: others });
  }

  /** What was under way begins again. @param fetched whose files are still there */
  restarted(fetched: readonly number[], now: Instant): void {
    const { open, activated, owed } = this.#state;
    const lost = Object.entries(open).filter(([, { download }]) => !fetched.includes(download));
    const kept = Object.entries(open).filter(([, { download }]) => fetched.includes(download));
    const came = [
      ...kept.map(([server, { token }]) => ({ server, token, status: SrupStatus.UpdateSuccess })),
      ...lost.map(([server, { token }]) => ({ server, token, status: SrupStatus.UpdateFailFile })),
      ...Object.entries(activated).map(([server, token]) => ({ server, token, status: SrupStatus.ActivateFail })),
    ];
    // of one update only the newest is told, however often we were restarted since
    const others = owed.filter(({ token }) => !came.some((each) => each.token === token));
    this.#set({ open: Object.fromEntries(kept), activated: {}, owed: [...others, ...came] });
    for (const pending of this.#state.downloads.slice(0, 1)) this.#begin(pending, now);
  }

  /** That server is told what it has not been told yet. */
  asksToJoin(server: string): void {
    for (const { server: of, token, status } of this.#state.owed) {
      if (of === server) this.#mouth.answer(of, fromHex(token) ?? new Uint8Array(0), status);
    }
  }

  /** Whoever answered has heard what came before; nobody else asks any more. */
  joined(): void {
    this.#set({ owed: [] });
  }

  handleDeadline(now: Instant): void {
    const { downloads, downloadDeadline } = this.#state;
    if (downloads[0] === undefined || downloadDeadline === undefined || now < downloadDeadline) return;
    this.#mouth.say({ type: "abandon", download: downloads[0].download });
    this.#ended(FAILURE_STATUS.timeout, now);
  }

  nextDeadline(): Instant | undefined {
    return this.#state.downloadDeadline;
  }

  save(): DeviceUpdatesState {
    return this.#state;
  }

  load(state: DeviceUpdatesState): void {
    this.#state = { ...EMPTY, ...state };
  }

  #set(change: Partial<DeviceUpdatesState>): void {
    this.#state = { ...this.#state, ...change };
  }

  #begin({ download, url }: PendingDownload, now: Instant): void {
    this.#set({ downloadDeadline: plus(now, this.#patience) });
    this.#mouth.say({ type: "download", download, url });
  }

  #ended(status: number, now: Instant): void {
    const [pending, ...downloads] = this.#state.downloads;
    this.#set({ downloads, downloadDeadline: undefined });
    if (pending !== undefined) this.#mouth.answer(pending.server, fromHex(pending.token) ?? new Uint8Array(0), status);
    if (downloads[0] !== undefined) this.#begin(downloads[0], now);
  }
}
