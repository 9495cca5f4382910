import type { IncomingHttpHeaders } from "node:http";

/** A file as it is at this moment. */
export interface Representation {
  readonly size: number;
  /** A strong one, with its quotes. */
  readonly etag: string;
  /** An HTTP-date. */
  readonly lastModified: string;
}

/** Which bytes of a file a GET is to be answered with. `end` is the offset behind the last one. */
export type Selection =
  | { readonly status: 200 | 206; readonly start: number; readonly end: number }
  | { readonly status: 304 }
  | { readonly status: 416 };

/** Conditions first, then the range, in the order of RFC 9110, 13.2.2. */
export function selectBytes(method: string, headers: IncomingHttpHeaders, file: Representation): Selection {
  const whole: Selection = { status: 200, start: 0, end: file.size };
  const ifNoneMatch = headers["if-none-match"];
  if (ifNoneMatch !== undefined && namesTag(ifNoneMatch, file.etag)) return { status: 304 };
  const { range } = headers;
  if (method !== "GET" || range === undefined) return whole;
  const ifRange = headers["if-range"];
  if (ifRange !== undefined && ifRange !== file.etag && ifRange !== file.lastModified) return whole;
  return selectRange(range, file.size) ?? whole;
}

/** Weak comparison of a list of entity tags. (RFC 9110, 13.1.2) */
const namesTag = (list: string, etag: string): boolean =>
  list.split(",").some((tag) => ["*", etag, `W/${etag}`].includes(tag.trim()));

/**
 * One range of bytes. Several at once, other units and what is no range are passed over, as a server may.
 * (RFC 9110, 14.1.2 and 14.2)
 */
function selectRange(text: string, size: number): Selection | undefined {
  const parts = /^bytes=[ \t]*(\d*)-(\d*)[ \t]*$/i.exec(text);
  const [first, last] = [parts?.[1] ?? "", parts?.[2] ?? ""];
  if (first === "" && last === "") return undefined;
  if (first === "") {
    const length = Math.min(Number(last), size);
    return length === 0 ? { status: 416 } : { status: 206, start: size - length, end: size };
  }
  if (last !== "" && Number(last) < Number(first)) return undefined;
  if (Number(first) >= size) return { status: 416 };
  const end = last === "" ? size : Math.min(Number(last) + 1, size);
  return { status: 206, start: Number(first), end };
}
