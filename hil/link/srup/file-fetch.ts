import type { HostAnswer } from "../../../gateway/source/host-request.ts";
import type { HttpExchange } from "../http-exchange.ts";
import { type HostFailure, hostFailed } from "../http-failure.ts";

const REDIRECTS_MAX = 5;

/** How long a file server may take. */
export const FILE_TIMEOUTS = { headMs: 10_000, idleMs: 30_000 };

/** An answer whose head has come and whose body has not. */
export interface Got {
  readonly type: "got";
  readonly http: HttpExchange;
  readonly head: HostAnswer & { type: "head" };
}

/** Follows redirections up to the head of another answer. @param begin starts a request for that URL */
export async function getFollowing(url: string, begin: (url: string) => HttpExchange): Promise<Got | HostFailure> {
  let there = url;
  for (let redirects = 0; redirects <= REDIRECTS_MAX; redirects++) {
    const http = begin(there);
    const head = await http.next();
    if (head.type === "failed") return head;
    if (head.type !== "head") return hostFailed("HOST_PROTOCOL", "an answer without a head");
    const { location } = head.headers;
    if (head.status < 300 || head.status >= 400 || location === undefined) return { type: "got", http, head };
    await http.abandon();
    if (!URL.canParse(location, there)) return hostFailed("HOST_PROTOCOL", "the file server sends us nowhere");
    there = new URL(location, there).href;
  }
  return hostFailed("HOST_PROTOCOL", "the file server sends us round in circles");
}
