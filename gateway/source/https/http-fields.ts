import { parseHttpDate } from "./http-date.ts";

/** Field names in lower case, as host answers carry them. */
export type HttpFields = Readonly<Record<string, string>>;

/** What a Content-Range field says. (RFC 9110, 14.4) */
export type ContentRange =
  | { readonly type: "range"; readonly first: number; readonly last: number; readonly total?: number }
  | { readonly type: "unsatisfied"; readonly total: number }
  | { readonly type: "malformed"; readonly reason: string };

/** Total: any text gives a range or a reason. Numbers of more than 15 digits are refused. */
export function parseContentRange(text: string): ContentRange {
  const malformed = (reason: string): ContentRange => ({ type: "malformed", reason: `${reason}: ${shown(text)}` });
  const parts = /^bytes (?:(\d{1,15})-(\d{1,15})|\*)\/(\d{1,15}|\*)$/i.exec(text);
  if (parts === null) return malformed("no range of bytes");
  const total = parts[3] === "*" ? undefined : Number(parts[3]);
  if (parts[1] === undefined) {
    return total === undefined ? malformed("neither range nor length") : { type: "unsatisfied", total };
  }
  const first = Number(parts[1]);
  const last = Number(parts[2]);
  if (last < first) return malformed("the last byte is before the first");
  if (total === undefined) return { type: "range", first, last };
  return last < total ? { type: "range", first, last, total } : malformed("the last byte is beyond the end");
}

/** Content-Length in bytes; undefined when it is missing or no number. (RFC 9110, 8.6) */
export function contentLength(fields: HttpFields): number | undefined {
  const text = fields["content-length"];
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}

/** An entity tag that may be compared strongly: quoted, and not marked W/. (RFC 9110, 8.8.3) */
const isStrongEntityTag = (text: string): boolean => /^"[\x21\x23-\x7e\x80-\xff]*"$/.test(text);

/**
 * What names this very content and may stand in If-Range: a strong entity tag, or, where there is no tag at all, a
 * Last-Modified at least one second older than the answer. (RFC 9110, 8.8.2.2 and 13.1.5)
 */
export function strongValidator(fields: HttpFields): string | undefined {
  const tag = fields.etag;
  if (tag !== undefined) return isStrongEntityTag(tag) ? tag : undefined;
  const modified = fields["last-modified"];
  const modifiedAt = parseHttpDate(modified ?? "");
  const answeredAt = parseHttpDate(fields.date ?? "");
  if (modifiedAt === undefined || answeredAt === undefined) return undefined;
  return answeredAt - modifiedAt >= 1 ? modified : undefined;
}

/** Whether an answer is of the content that `validator` names; "unsaid" when it does not tell. */
export function compareValidator(validator: string, fields: HttpFields): "same" | "other" | "unsaid" {
  const said = validator.startsWith('"') ? fields.etag : fields["last-modified"];
  if (said === undefined) return "unsaid";
  return said === validator ? "same" : "other";
}

/** Text of a peer, short enough for a message. */
const shown = (text: string): string => JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}...` : text);
