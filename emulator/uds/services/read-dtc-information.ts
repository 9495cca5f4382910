import { DtcFormat, DtcReport, DtcStatus } from "../../wire/dtc.ts";
import { Nrc, POSITIVE_RESPONSE_OFFSET, Sid, SUPPRESS_POSITIVE_RESPONSE } from "../../wire/uds.ts";
import type { DtcHost, DtcRecord, DtcView } from "../host-dtc.ts";
import { ALL_SESSIONS, negative, type Service, uint24, WRONG_LENGTH } from "../service.ts";

/** What a report has to say behind its sub-function, or why it says nothing. */
type Said = readonly number[] | Nrc;

interface Report {
  /** Of the whole request. */
  readonly length: number;
  said(request: Uint8Array, dtcs: DtcHost): Said;
}

/** Of a snapshot or extended data record: all that there are. (ISO 14229-1:2020, 12.3.2) */
const ALL_RECORDS = 0xff;

const code = ({ code: dtc }: DtcView): readonly number[] => [dtc >>> 16, (dtc >>> 8) & 0xff, dtc & 0xff];
const dtcAndStatus = (dtc: DtcView, mask: number): readonly number[] => [...code(dtc), dtc.status & mask];
const matches = (dtc: DtcView, mask: number, dtcs: DtcHost): boolean =>
  (dtc.status & dtcs.statusAvailabilityMask & mask) !== 0;

/** The byte of the request that comes `index` bytes behind the sub-function, 0 first. */
const parameter = (request: Uint8Array, index: number): number => request[2 + index] as number;

function counted(found: readonly DtcView[], dtcs: DtcHost): readonly number[] {
  return [dtcs.statusAvailabilityMask, DtcFormat.SaeJ2012Da00, found.length >>> 8, found.length & 0xff];
}

function listed(found: readonly DtcView[], dtcs: DtcHost): readonly number[] {
  const mask = dtcs.statusAvailabilityMask;
  return [mask, ...found.flatMap((dtc) => dtcAndStatus(dtc, mask))];
}

const withStatus = (request: Uint8Array, dtcs: DtcHost): readonly DtcView[] =>
  dtcs.list().filter((dtc) => matches(dtc, parameter(request, 0), dtcs));

const withSeverity = (request: Uint8Array, dtcs: DtcHost): readonly DtcView[] =>
  dtcs
    .list()
    .filter((dtc) => (dtc.severity & parameter(request, 0)) !== 0 && matches(dtc, parameter(request, 1), dtcs));

const severityRecord = (dtc: DtcView, mask: number): readonly number[] => [
  dtc.severity,
  dtc.functionalUnit,
  ...dtcAndStatus(dtc, mask),
];

/** The one with the least, or greatest, place in the order of events. */
function extreme(dtcs: DtcHost, place: (dtc: DtcView) => number | undefined, least: boolean): Said {
  const happened = dtcs.list().filter((dtc) => place(dtc) !== undefined);
  const order = happened.toSorted((one, other) => (place(one) as number) - (place(other) as number));
  const found = least ? order[0] : order.at(-1);
  return listed(found === undefined ? [] : [found], dtcs);
}

const reportExtreme = (place: (dtc: DtcView) => number | undefined, least: boolean): Report => ({
  length: 2,
  said: (_, dtcs) => extreme(dtcs, place, least),
});

/** Which records of one DTC to report. A number that no DTC can have is refused; a record that is not there is not. */
function records(dtc: DtcView | undefined, number: number, kind: "snapshots" | "extendedData", dtcs: DtcHost): Said {
  const numbers = kind === "snapshots" ? dtcs.snapshotNumbers : dtcs.extendedDataNumbers;
  if (dtc === undefined || (number !== ALL_RECORDS && !numbers.includes(number))) return Nrc.RequestOutOfRange;
  const found = dtc[kind].filter((record) => number === ALL_RECORDS || record.number === number);
  return [...dtcAndStatus(dtc, dtcs.statusAvailabilityMask), ...found.flatMap(recordBytes)];
}

const recordBytes = ({ number, data }: DtcRecord): readonly number[] => [number, ...data];

const ofDtc = (list: readonly DtcView[] | undefined, request: Uint8Array): DtcView | undefined =>
  list?.find((dtc) => dtc.code === uint24(request, 2));

const reportRecords = (kind: "snapshots" | "extendedData"): Report => ({
  length: 6,
  said: (request, dtcs) => records(ofDtc(dtcs.list(), request), parameter(request, 3), kind, dtcs),
});

/** Of DTCs that are in that memory, with the status that they had there. */
const reportUserRecords = (kind: "snapshots" | "extendedData"): Report => ({
  length: 7,
  said: (request, dtcs) => {
    const selection = parameter(request, 4);
    const said = records(ofDtc(dtcs.userMemory(selection), request), parameter(request, 3), kind, dtcs);
    return typeof said === "number" ? said : [selection, ...said];
  },
});

/** DTCs of one functional group; undefined when the ECU has none of that group at all. */
function ofGroup(request: Uint8Array, dtcs: DtcHost): readonly DtcView[] | undefined {
  const found = dtcs.list().filter((dtc) => dtc.functionalGroups.includes(parameter(request, 0)));
  return found.length === 0 ? undefined : found;
}

/** reportType by its number: how long its request is, and what it says. (ISO 14229-1:2020, 12.3.3) */
const REPORTS: ReadonlyMap<number, Report> = new Map<number, Report>([
  [DtcReport.NumberOfDtcByStatusMask, { length: 3, said: (request, dtcs) => counted(withStatus(request, dtcs), dtcs) }],
  [DtcReport.DtcByStatusMask, { length: 3, said: (request, dtcs) => listed(withStatus(request, dtcs), dtcs) }],
  [
    DtcReport.SnapshotIdentification,
    {
      length: 2,
      said: (_, dtcs) => dtcs.list().flatMap((dtc) => dtc.snapshots.flatMap(({ number }) => [...code(dtc), number])),
    },
  ],
  [DtcReport.SnapshotRecordByDtcNumber, reportRecords("snapshots")],
  [DtcReport.ExtendedDataRecordByDtcNumber, reportRecords("extendedData")],
  [
    DtcReport.NumberOfDtcBySeverityMask,
    { length: 4, said: (request, dtcs) => counted(withSeverity(request, dtcs), dtcs) },
  ],
  [
    DtcReport.DtcBySeverityMask,
    {
      length: 4,
      said: (request, dtcs) => {
        const mask = dtcs.statusAvailabilityMask;
        return [mask, ...withSeverity(request, dtcs).flatMap((dtc) => severityRecord(dtc, mask))];
      },
    },
  ],
  [
    DtcReport.SeverityInformationOfDtc,
    {
      length: 5,
      said: (request, dtcs) => {
        const dtc = ofDtc(dtcs.list(), request);
        const mask = dtcs.statusAvailabilityMask;
        return dtc === undefined ? Nrc.RequestOutOfRange : [mask, ...severityRecord(dtc, mask)];
      },
    },
  ],
  [DtcReport.SupportedDtc, { length: 2, said: (_, dtcs) => listed(dtcs.list(), dtcs) }],
  [DtcReport.FirstTestFailedDtc, reportExtreme(({ firstFailed }) => firstFailed, true)],
  [DtcReport.FirstConfirmedDtc, reportExtreme(({ confirmed }) => confirmed, true)],
  [DtcReport.MostRecentTestFailedDtc, reportExtreme(({ lastFailed }) => lastFailed, false)],
  [DtcReport.MostRecentConfirmedDtc, reportExtreme(({ confirmed }) => confirmed, false)],
  [
    DtcReport.FaultDetectionCounter,
    {
      length: 2,
      said: (_, dtcs) =>
        dtcs
          .list()
          .filter((dtc) => dtc.faultDetectionCounter > 0 && (dtc.status & DtcStatus.TestFailed) === 0)
          .flatMap((dtc) => [...code(dtc), dtc.faultDetectionCounter]),
    },
  ],
  [
    DtcReport.DtcWithPermanentStatus,
    {
      length: 2,
      said: (_, dtcs) =>
        listed(
          dtcs.list().filter(({ permanent }) => permanent),
          dtcs,
        ),
    },
  ],
  [
    DtcReport.ExtendedDataRecordByRecordNumber,
    {
      length: 3,
      said: (request, dtcs) => {
        const number = parameter(request, 0);
        if (!dtcs.extendedDataNumbers.includes(number)) return Nrc.RequestOutOfRange;
        const mask = dtcs.statusAvailabilityMask;
        return [number, ...dtcs.list().flatMap((dtc) => recordOf(dtc, number, mask))];
      },
    },
  ],
  [
    DtcReport.UserDefMemoryDtcByStatusMask,
    {
      length: 4,
      said: (request, dtcs) => {
        const selection = parameter(request, 1);
        const found = dtcs.userMemory(selection);
        if (found === undefined) return Nrc.RequestOutOfRange;
        const wanted = found.filter((dtc) => matches(dtc, parameter(request, 0), dtcs));
        return [selection, ...listed(wanted, dtcs)];
      },
    },
  ],
  [DtcReport.UserDefMemorySnapshotRecordByDtcNumber, reportUserRecords("snapshots")],
  [DtcReport.UserDefMemoryExtendedDataRecordByDtcNumber, reportUserRecords("extendedData")],
  [
    DtcReport.ExtendedDataRecordIdentification,
    {
      length: 3,
      said: (request, dtcs) => {
        const number = parameter(request, 0);
        if (!dtcs.extendedDataNumbers.includes(number)) return Nrc.RequestOutOfRange;
        const found = dtcs.list().filter((dtc) => dtc.extendedData.some((record) => record.number === number));
        const mask = dtcs.statusAvailabilityMask;
        return [mask, number, ...found.flatMap((dtc) => dtcAndStatus(dtc, mask))];
      },
    },
  ],
  [
    DtcReport.WwhObdDtcByMaskRecord,
    {
      length: 5,
      said: (request, dtcs) => {
        const found = ofGroup(request, dtcs);
        if (found === undefined) return Nrc.RequestOutOfRange;
        const severities = parameter(request, 2);
        const wanted = found.filter(
          (dtc) => matches(dtc, parameter(request, 1), dtcs) && (dtc.severity & severities) !== 0,
        );
        const mask = dtcs.statusAvailabilityMask;
        const head = [parameter(request, 0), mask, ALL_SEVERITIES, DtcFormat.SaeJ2012Da04];
        return [...head, ...wanted.flatMap((dtc) => [dtc.severity, ...dtcAndStatus(dtc, mask)])];
      },
    },
  ],
  [
    DtcReport.WwhObdDtcWithPermanentStatus,
    {
      length: 3,
      said: (request, dtcs) => {
        const found = ofGroup(request, dtcs)?.filter(({ permanent }) => permanent);
        return found === undefined ? Nrc.RequestOutOfRange : grouped(request, found, dtcs, []);
      },
    },
  ],
  [
    DtcReport.DtcByReadinessGroup,
    {
      length: 4,
      said: (request, dtcs) => {
        const group = parameter(request, 1);
        const found = ofGroup(request, dtcs)?.filter(({ readinessGroup }) => readinessGroup === group);
        if (found === undefined || found.length === 0) return Nrc.RequestOutOfRange;
        return grouped(request, found, dtcs, [group]);
      },
    },
  ],
]);

const ALL_SEVERITIES = 0xff;

function recordOf(dtc: DtcView, number: number, mask: number): readonly number[] {
  const record = dtc.extendedData.find((each) => each.number === number);
  return record === undefined ? [] : [...dtcAndStatus(dtc, mask), ...record.data];
}

function grouped(
  request: Uint8Array,
  found: readonly DtcView[],
  dtcs: DtcHost,
  more: readonly number[],
): readonly number[] {
  const mask = dtcs.statusAvailabilityMask;
  const head = [parameter(request, 0), mask, DtcFormat.SaeJ2012Da04, ...more];
  return [...head, ...found.flatMap((dtc) => dtcAndStatus(dtc, mask))];
}

/** 0x19. Sub-function, length, then what is asked for. (ISO 14229-1:2020, 12.3 and its figure of NRC handling) */
export const readDtcInformation: Service = {
  sid: Sid.ReadDtcInformation,
  sessions: ALL_SESSIONS,
  unlocked: false,
  functional: true,
  subFunctions: new Map([...REPORTS.keys()].map((type) => [type, ALL_SESSIONS])),
  offered: ({ dtc }) => dtc !== undefined,
  run(request, { config, host }) {
    const dtcs = host.dtc as DtcHost;
    const type = (request[1] as number) & ~SUPPRESS_POSITIVE_RESPONSE;
    const report = REPORTS.get(type) as Report;
    if (request.length !== report.length) return WRONG_LENGTH;
    const said = report.said(request, dtcs);
    if (typeof said === "number") return negative(said);
    const response = Uint8Array.of(Sid.ReadDtcInformation + POSITIVE_RESPONSE_OFFSET, type, ...said);
    return response.length > config.responseSizeMax ? negative(Nrc.ResponseTooLong) : { type: "positive", response };
  },
};
