import type { Stateful } from "../../../emulator/kernel/machine.ts";
import { Nrc, POSITIVE_RESPONSE_OFFSET, RoutineControlType, Sid } from "../../../emulator/wire/uds.ts";
import type { FamilyMode } from "./config.ts";
import { refusal } from "./download.ts";
import { healthRecord, listOf, readiness, vciRecord } from "./records.ts";
import { SwpgDownload, type SwpgDownloadState } from "./swpg-download.ts";
import { ZoneDownload, type ZoneDownloadState } from "./zone-download.ts";

/** What the gateway says to a request that is for itself. */
export interface FamilyAnswer {
  readonly response: Uint8Array;
  /** A DoIP message of the family's own that follows: payload type 9000. */
  readonly report?: Uint8Array;
}

export interface FamilyDiagnosticsState {
  /** It knows what is in its zone. */
  readonly collected: boolean;
  /** It knows whether its zone is ready. */
  readonly readinessKnown: boolean;
  readonly zone: ZoneDownloadState;
  readonly swpg: SwpgDownloadState;
}

const Did = { OwnVci: 0xf194, ZoneVci: 0xf195, Health: 0xf1a0 } as const;
const Rid = { CollectVci: 0xf001, SendVci: 0xf002, CollectReadiness: 0xf003, SendReadiness: 0xf004 } as const;

const STATUS_DONE = 0x00;
const STATUS_NO_DATA = 0x02;
const VCI_REPORT_HEADER = [0x02, 0xfd, 0x90, 0x00];

/**
 * What the zonal gateways of the family answer as UDS servers: 22, 31 (1.1.3 only), 34, 36 and 37. They know neither
 * sessions nor security. (docs/protocols/zonal-gateway.md)
 */
export class FamilyDiagnostics implements Stateful<FamilyDiagnosticsState> {
  readonly #mode: FamilyMode;
  readonly #zone: ZoneDownload;
  readonly #swpg = new SwpgDownload();
  #collected: boolean;
  #readinessKnown = false;

  constructor(mode: FamilyMode) {
    this.#mode = mode;
    this.#zone = new ZoneDownload(mode.doubledSids ?? false);
    this.#collected = mode.collected ?? false;
  }

  /** As after power-up. */
  reset(): void {
    this.#collected = this.#mode.collected ?? false;
    this.#readinessKnown = false;
    this.#zone.reset();
    this.#swpg.reset();
  }

  answer(request: Uint8Array): FamilyAnswer {
    const sid = request[0] as number;
    const { begin, take, end } = this.#download();
    switch (sid) {
      case Sid.ReadDataByIdentifier:
        return { response: this.#read(request) };
      case Sid.RoutineControl:
        return this.#mode.name === "family-113" ? this.#routine(request) : unknown(sid);
      case Sid.RequestDownload:
        return { response: begin(request) };
      case Sid.TransferData:
        return { response: take(request) };
      case Sid.RequestTransferExit:
        return { response: end() };
      default:
        return unknown(sid);
    }
  }

  save(): FamilyDiagnosticsState {
    const zone = this.#zone.save();
    return { collected: this.#collected, readinessKnown: this.#readinessKnown, zone, swpg: this.#swpg.save() };
  }

  load(state: FamilyDiagnosticsState): void {
    this.#collected = state.collected;
    this.#readinessKnown = state.readinessKnown;
    this.#zone.load(state.zone);
    this.#swpg.load(state.swpg);
  }

  #download() {
    const machine = this.#mode.name === "family-113" ? this.#zone : this.#swpg;
    return {
      begin: (request: Uint8Array) => machine.begin(request),
      take: (request: Uint8Array) => machine.take(request),
      end: () => machine.end(),
    };
  }

  /** The nodes of the zone and the gateway itself, which is the last. */
  get #nodes() {
    return this.#collected ? [...this.#mode.zone, this.#mode.own] : [this.#mode.own];
  }

  #read(request: Uint8Array): Uint8Array {
    const did = uint16(request, 1);
    if (did === undefined) return refusal(Sid.ReadDataByIdentifier, Nrc.IncorrectMessageLengthOrInvalidFormat);
    const positive = (data: Iterable<number>): Uint8Array =>
      Uint8Array.of(Sid.ReadDataByIdentifier + POSITIVE_RESPONSE_OFFSET, did >>> 8, did & 0xff, ...data);
    switch (did) {
      case Did.OwnVci:
        return positive(vciRecord(this.#mode.own));
      case Did.ZoneVci:
        return positive(listOf(this.#nodes.map(vciRecord)));
      case Did.Health:
        return positive(listOf(this.#nodes.map(healthRecord)));
      default:
        return refusal(Sid.ReadDataByIdentifier, Nrc.RequestOutOfRange);
    }
  }

  #routine(request: Uint8Array): FamilyAnswer {
    const rid = uint16(request, 2);
    const refused = (nrc: Nrc): FamilyAnswer => ({ response: refusal(Sid.RoutineControl, nrc) });
    if (rid === undefined) return refused(Nrc.IncorrectMessageLengthOrInvalidFormat);
    if (request[1] !== RoutineControlType.Start) return refused(Nrc.SubFunctionNotSupported);
    const positive = (...data: readonly number[]): Uint8Array =>
      Uint8Array.of(
        Sid.RoutineControl + POSITIVE_RESPONSE_OFFSET,
        RoutineControlType.Start,
        rid >>> 8,
        rid & 0xff,
        ...data,
      );
    switch (rid) {
      case Rid.CollectVci:
        this.#collected = true;
        return { response: positive(STATUS_DONE) };
      case Rid.SendVci: {
        const records = this.#nodes.map(vciRecord);
        return { response: positive(STATUS_DONE, records.length), report: vciReport(records) };
      }
      case Rid.CollectReadiness:
        this.#readinessKnown = true;
        return { response: positive(STATUS_DONE) };
      case Rid.SendReadiness: {
        const [first] = this.#mode.zone;
        if (!this.#readinessKnown || first === undefined) return { response: positive(STATUS_NO_DATA) };
        return { response: positive(STATUS_DONE, this.#mode.zone.length, ...readiness(first)) };
      }
      default:
        return refused(Nrc.RequestOutOfRange);
    }
  }
}

const unknown = (sid: number): FamilyAnswer => ({ response: refusal(sid, Nrc.ServiceNotSupported) });

const uint16 = (data: Uint8Array, offset: number): number | undefined =>
  data.length < offset + 2 ? undefined : (data[offset] as number) * 0x100 + (data[offset + 1] as number);

/** DoIP header, how many, then the records. */
function vciReport(records: readonly Uint8Array[]): Uint8Array {
  const payload = listOf(records);
  const message = Uint8Array.of(...VCI_REPORT_HEADER, 0, 0, 0, 0, ...payload);
  new DataView(message.buffer).setUint32(4, payload.length);
  return message;
}
