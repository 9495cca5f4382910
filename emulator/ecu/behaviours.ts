import type { Stateful } from "../kernel/machine.ts";
import type { Misbehaviour, RequestFacts } from "../uds/host.ts";

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

/** What an ECU does wrong on purpose, by name. Plain data. */
export type Behaviour =
  /** Refuses without doing anything. */
  | (RequestMatch & { readonly name: "negativeResponse"; readonly nrc: number })
  /** Takes the request and neither does nor answers anything. */
  | (RequestMatch & { readonly name: "noResponse" })
  /** A new application hangs when it is started on trial, until the watchdog resets the ECU. Always, or so many times. */
  | { readonly name: "crashOnTrial"; readonly times?: number };

interface Armed {
  readonly behaviour: Behaviour;
  /** How many events matched so far. */
  readonly matched: number;
}

/** The misbehaviours of one ECU and how far each has come. They outlive resets and power cuts. */
export class Behaviours implements Stateful<readonly Armed[]> {
  #armed: readonly Armed[];

  constructor(behaviours: readonly Behaviour[]) {
    this.#armed = behaviours.map((behaviour) => ({ behaviour, matched: 0 }));
  }

  arm(behaviour: Behaviour): void {
    this.#armed = [...this.#armed, { behaviour, matched: 0 }];
  }

  /** To be asked once for each request. The first that strikes counts; all that match go on counting. */
  onRequest(facts: RequestFacts): Misbehaviour | undefined {
    let struck: Misbehaviour | undefined;
    this.#armed = this.#armed.map((armed) => {
      const { behaviour } = armed;
      if (behaviour.name === "crashOnTrial" || !matches(behaviour, facts)) return armed;
      if (strikes(armed.matched + 1, behaviour.occurrence ?? 1, behaviour.times ?? 1)) {
        struck ??= behaviour.name === "noResponse" ? { type: "silence" } : { type: "refuse", nrc: behaviour.nrc };
      }
      return { behaviour, matched: armed.matched + 1 };
    });
    return struck;
  }

  /** To be asked once for each start on trial: whether the application hangs. */
  onTrialStart(): boolean {
    let hangs = false;
    this.#armed = this.#armed.map((armed) => {
      if (armed.behaviour.name !== "crashOnTrial") return armed;
      if (strikes(armed.matched + 1, 1, armed.behaviour.times ?? Number.POSITIVE_INFINITY)) hangs = true;
      return { ...armed, matched: armed.matched + 1 };
    });
    return hangs;
  }

  save(): readonly Armed[] {
    return this.#armed;
  }

  load(state: readonly Armed[]): void {
    this.#armed = state;
  }
}

const matches = (match: RequestMatch, facts: RequestFacts): boolean =>
  match.sid === facts.sid && (match.atBlock === undefined || match.atBlock === facts.block);

const strikes = (count: number, first: number, times: number): boolean => count >= first && count < first + times;
