import type { IsoTpFaults } from "../isotp/misbehaviour.ts";
import type { Stateful } from "../kernel/machine.ts";
import type { Duration } from "../kernel/time.ts";
import type { Misbehaviour, RequestFacts } from "../uds/host.ts";
import { POSITIVE_RESPONSE_OFFSET } from "../wire/uds.ts";
import type { ReceptionBehaviour, SendingBehaviour } from "./transport-behaviours.ts";

/** Which requests a misbehaviour strikes: those with that SID, and of those by place. */
interface RequestMatch {
  readonly sid: number;
  /** 36 only: the block of a download, 1 first. A repeat of it matches too. */
  readonly atBlock?: number;
  /** The first request that is struck, counted over those that match, 1 first; the first one when left out. */
  readonly occurrence?: number;
  /** How many are struck from there on; one when left out. */
  readonly times?: number;
}

/** What is done to a request, or in its place. (docs/protocols/ecu.md, misbehaviour) */
type RequestBehaviour = RequestMatch &
  (
    | { readonly name: "negativeResponse"; readonly nrc: number }
    | { readonly name: "noResponse" }
    | { readonly name: "responsePendingForever" }
    /** The answer comes that long after P2Server, without a 0x78. */
    | { readonly name: "answerAfterP2"; readonly by: Duration }
    | { readonly name: "wrongCounterEcho" }
    /** So long after the request has come; with 0 nothing of it is done. */
    | { readonly name: "resetInTheMiddle"; readonly after: Duration }
    | { readonly name: "hang" }
  );

/** Every seed is the same one. */
interface SeedBehaviour {
  readonly name: "seedNeverChanges";
  /** uint32, not 0. */
  readonly seed: number;
}

/** A new application hangs when it is started on trial, until the watchdog resets the ECU. Always, or so many times. */
interface TrialBehaviour {
  readonly name: "crashOnTrial";
  readonly times?: number;
}

/** The same of a new bootloader. */
interface BootloaderTrialBehaviour {
  readonly name: "bootloaderCrashOnTrial";
  readonly times?: number;
}

/** What an ECU does wrong on purpose, by name. Plain data. */
export type Behaviour =
  | RequestBehaviour
  | TrialBehaviour
  | BootloaderTrialBehaviour
  | SeedBehaviour
  | ReceptionBehaviour
  | SendingBehaviour;

interface Armed {
  readonly behaviour: Behaviour;
  /** How many events matched so far. */
  readonly matched: number;
}

/** The misbehaviours of one ECU and how far each has come. They outlive resets and power cuts. */
export class Behaviours implements Stateful<readonly Armed[]>, IsoTpFaults {
  #armed: readonly Armed[];

  constructor(behaviours: readonly Behaviour[]) {
    this.#armed = behaviours.map((behaviour) => ({ behaviour, matched: 0 }));
  }

  arm(behaviour: Behaviour): void {
    this.#armed = [...this.#armed, { behaviour, matched: 0 }];
  }

  /** To be asked once for each request. */
  onRequest(facts: RequestFacts): Misbehaviour | Incident | undefined {
    const struck = this.#strike((behaviour) => isOfRequests(behaviour) && matches(behaviour, facts));
    return struck !== undefined && isOfRequests(struck) ? misbehaviourOf(struck) : undefined;
  }

  /** To be asked for each new seed; undefined: it is left to chance. */
  onSeed(): number | undefined {
    const struck = this.#strike(({ name }) => name === "seedNeverChanges");
    return struck?.name === "seedNeverChanges" ? struck.seed : undefined;
  }

  /** To be asked once for each start on trial: whether the application hangs. */
  onTrialStart(): boolean {
    return this.#strike(({ name }) => name === "crashOnTrial") !== undefined;
  }

  /** To be asked for each start of a bootloader on trial: whether it hangs. */
  onBootloaderTrial(): boolean {
    return this.#strike(({ name }) => name === "bootloaderCrashOnTrial") !== undefined;
  }

  reception(firstByte: number): ReceptionBehaviour | undefined {
    const struck = this.#strike((behaviour) => isOfReceptions(behaviour) && (behaviour.sid ?? firstByte) === firstByte);
    return struck !== undefined && isOfReceptions(struck) ? struck : undefined;
  }

  sending(message: Uint8Array): SendingBehaviour | undefined {
    const sid = (message[0] as number) - POSITIVE_RESPONSE_OFFSET;
    const struck = this.#strike((each) => each.name === "wrongSequenceNumber" && (each.sid ?? sid) === sid);
    return struck?.name === "wrongSequenceNumber" ? struck : undefined;
  }

  /** The first that strikes counts; all that match go on counting. */
  #strike(matching: (behaviour: Behaviour) => boolean): Behaviour | undefined {
    let struck: Behaviour | undefined;
    this.#armed = this.#armed.map(({ behaviour, matched }) => {
      if (!matching(behaviour)) return { behaviour, matched };
      const { first, times } = span(behaviour);
      if (matched + 1 >= first && matched + 1 < first + times) struck ??= behaviour;
      return { behaviour, matched: matched + 1 };
    });
    return struck;
  }

  save(): readonly Armed[] {
    return this.#armed;
  }

  load(state: readonly Armed[]): void {
    this.#armed = state;
  }
}

/** What is more than an answer: the ECU is reset that long after the request came, or comes to a standstill. */
type Incident = { readonly type: "trap"; readonly after: Duration } | { readonly type: "hang" };

function misbehaviourOf(behaviour: RequestBehaviour): Misbehaviour | Incident {
  switch (behaviour.name) {
    case "negativeResponse":
      return { type: "refuse", nrc: behaviour.nrc };
    case "noResponse":
      return { type: "silence" };
    case "responsePendingForever":
      return { type: "pendingForever" };
    case "answerAfterP2":
      return { type: "late", by: behaviour.by };
    case "wrongCounterEcho":
      return { type: "wrongEcho" };
    case "resetInTheMiddle":
      return { type: "trap", after: behaviour.after };
    case "hang":
      return { type: "hang" };
  }
}

const OF_REQUESTS: ReadonlySet<string> = new Set([
  "negativeResponse",
  "noResponse",
  "responsePendingForever",
  "answerAfterP2",
  "wrongCounterEcho",
  "resetInTheMiddle",
  "hang",
] satisfies RequestBehaviour["name"][]);

const NOT_OF_RECEPTIONS: ReadonlySet<string> = new Set([
  ...OF_REQUESTS,
  "crashOnTrial",
  "bootloaderCrashOnTrial",
  "seedNeverChanges",
  "wrongSequenceNumber",
]);

const isOfRequests = (behaviour: Behaviour): behaviour is RequestBehaviour => OF_REQUESTS.has(behaviour.name);

const isOfReceptions = (behaviour: Behaviour): behaviour is ReceptionBehaviour =>
  !NOT_OF_RECEPTIONS.has(behaviour.name);

const matches = (match: RequestMatch, facts: RequestFacts): boolean =>
  match.sid === facts.sid && (match.atBlock === undefined || match.atBlock === facts.block);

/** Which of the matching events are struck. */
function span(behaviour: Behaviour): { readonly first: number; readonly times: number } {
  if (behaviour.name === "crashOnTrial" || behaviour.name === "bootloaderCrashOnTrial")
    return { first: 1, times: behaviour.times ?? Number.POSITIVE_INFINITY };
  if (behaviour.name === "seedNeverChanges") return { first: 1, times: Number.POSITIVE_INFINITY };
  return { first: behaviour.occurrence ?? 1, times: behaviour.times ?? 1 };
}
