import type { Instant } from "../kernel/time.ts";
import type { Work } from "../uds/host.ts";
import type { SecuredHost } from "../uds/host-secured.ts";
import type { StoredRecord } from "./stored-record.ts";

/** The anti-replay counter of 0x84, as the record that it is stored in. */
export class ReplayCounter implements SecuredHost {
  readonly #record: StoredRecord;

  constructor(record: StoredRecord) {
    this.#record = record;
  }

  get counter(): number {
    const [high = 0, low = 0] = this.#record.stored ?? [];
    return high * 0x100 + low;
  }

  take(counter: number, now: Instant): Work {
    return this.#record.store(Uint8Array.of(counter >>> 8, counter & 0xff), now);
  }
}
