import { type BenchError, LinkError } from "../../emulator/kernel/errors.ts";
import type { Machine, Stateful } from "../../emulator/kernel/machine.ts";
import type { Instant } from "../../emulator/kernel/time.ts";
import { openPackage, type PackageTools } from "../package/open-package.ts";
import { type EcuImage, PackageError } from "../package/verified-package.ts";
import type { DetachedSignature, Inventory, Offer } from "../source/update-source.ts";
import type {
  CampaignConfig,
  CampaignInput,
  CampaignOutput,
  CampaignResult,
  EcuAnswer,
  EcuCommand,
  PhaseName,
  SourceSaid,
} from "./campaign-io.ts";
import { type EcuRecord, ecuResult } from "./ecu-record.ts";
import { appendPiece, joinPieces, NO_PIECES, type Pieces } from "./pieces.ts";

export interface CampaignState {
  readonly phase: PhaseName;
  readonly ecus: readonly EcuRecord[];
  readonly pieces: Pieces;
  readonly offer?: Offer;
  /** Has any ECU been told to activate? */
  readonly activated: boolean;
  /** The first thing that went wrong. */
  readonly error?: BenchError;
  readonly refused: boolean;
  readonly cancelled: boolean;
  /** The server has been told, or can't be. */
  readonly reported: boolean;
}

/**
 * One update of one vehicle: inventory, look, fetch, verify, distribute to all zones in parallel, activate together, ask
 * every ECU, commit or roll all back, report.
 *
 * Nothing is sent to an ECU before the whole package has been verified, nothing is activated before every ECU holds and
 * has checked its image, and no result is reported that an ECU did not answer itself.
 */
export class Campaign implements Machine<CampaignInput, CampaignOutput>, Stateful<CampaignState> {
  readonly #config: CampaignConfig;
  readonly #tools: PackageTools;
  readonly #outputs: CampaignOutput[] = [];
  #state: CampaignState;

  constructor(config: CampaignConfig, tools: PackageTools) {
    this.#config = config;
    this.#tools = tools;
    this.#state = this.#fresh();
  }

  get phase(): PhaseName {
    return this.#state.phase;
  }

  handle(input: CampaignInput, _now: Instant): void {
    switch (input.type) {
      case "start":
        if (this.#state.phase === "idle" || this.#state.phase === "ended") this.#start();
        return;
      case "cancel":
        this.#cancel();
        return;
      case "ecu":
        this.#ecuAnswered(input.ecu, input.answer);
        return;
      case "source":
        this.#sourceSaid(input.said);
        return;
    }
  }

  /** A campaign has no deadlines of its own: source and ECUs each end every command in bounded time. */
  handleDeadline(_now: Instant): void {}

  nextDeadline(): Instant | undefined {
    return undefined;
  }

  poll(): CampaignOutput | undefined {
    return this.#outputs.shift();
  }

  save(): CampaignState {
    return this.#state;
  }

  load(state: CampaignState): void {
    this.#state = state;
    this.#outputs.length = 0;
  }

  #fresh(): CampaignState {
    const ecus = this.#config.ecus.map(({ id, lane }): EcuRecord => ({ id, lane, stage: "unknown", busy: false }));
    return {
      phase: "idle",
      ecus,
      pieces: NO_PIECES,
      activated: false,
      refused: false,
      cancelled: false,
      reported: false,
    };
  }

  #start(): void {
    this.#state = { ...this.#fresh(), phase: this.#state.phase };
    this.#enter("inventory");
    for (const { id } of this.#config.ecus) this.#command(id, { type: "identify" });
    this.#stepOn();
  }

  /** Before anything is activated a campaign can be given up; afterwards it goes on to its end. */
  #cancel(): void {
    const { phase } = this.#state;
    if (phase === "fetching") this.#outputs.push({ type: "source", input: { type: "cancel" } });
    if (!["inventory", "looking", "fetching", "distributing"].includes(phase)) return;
    this.#fail(new LinkError("CAMPAIGN_CANCELLED", "the campaign was cancelled"));
    this.#state = { ...this.#state, cancelled: true };
    this.#stepOn();
  }

  /** What the source says counts only in the phase that asked for it; anything else comes too late. */
  #sourceSaid(said: SourceSaid): void {
    const { phase } = this.#state;
    if (phase === "looking") this.#whileLooking(said);
    else if (phase === "fetching") this.#whileFetching(said);
    // A report that fails changes nothing: the vehicle is done, the server learns it another time.
    else if (phase === "reporting" && (said.type === "reported" || said.type === "failed")) {
      this.#state = { ...this.#state, reported: true };
      this.#stepOn();
    }
  }

  #whileLooking(said: SourceSaid): void {
    if (said.type === "offer") this.#fetch(said.offer);
    else if (said.type === "noOffer") this.#observe();
    else if (said.type === "failed") this.#giveUp(said.error, false);
  }

  #whileFetching(said: SourceSaid): void {
    if (said.type === "piece") this.#piece(said.offset, said.data);
    else if (said.type === "fetched") this.#verify(said.signature);
    else if (said.type === "cancelled") this.#observe();
    else if (said.type === "failed") this.#giveUp(said.error, false);
  }

  #fetch(offer: Offer): void {
    this.#state = { ...this.#state, offer };
    const { size } = offer;
    const sizeMax = this.#config.policy.sizeMax;
    if (size !== undefined && size > sizeMax) {
      const reason = `${size} bytes are offered, at most ${sizeMax} are taken`;
      this.#giveUp(new PackageError("PACKAGE_TOO_LARGE", reason, "docs/protocols/packages.md"), true);
      return;
    }
    this.#enter("fetching");
    this.#outputs.push({ type: "source", input: { type: "fetch", offer, from: 0 } });
  }

  #piece(offset: number, data: Uint8Array): void {
    const pieces = appendPiece(this.#state.pieces, offset, data);
    const sizeMax = this.#config.policy.sizeMax;
    if (pieces.length > sizeMax) {
      this.#outputs.push({ type: "source", input: { type: "cancel" } });
      const reason = `more than ${sizeMax} bytes came`;
      this.#giveUp(new PackageError("PACKAGE_TOO_LARGE", reason, "docs/protocols/packages.md"), true);
      return;
    }
    this.#state = { ...this.#state, pieces };
  }

  #verify(signature: DetachedSignature | undefined): void {
    this.#enter("verifying");
    const bytes = joinPieces(this.#state.pieces);
    this.#state = { ...this.#state, pieces: NO_PIECES };
    const { vin } = this.#config;
    // One that is silent is there all the same: what is wrong is that it can't be updated now.
    const installed = this.#state.ecus.map(({ id, observed }) => ({ id, version: observed ?? "" }));
    try {
      const policy = {
        ...this.#config.policy,
        vin,
        installed,
        ...(signature === undefined ? {} : { signature }),
      };
      const verified = openPackage(bytes, policy, this.#tools);
      this.#outputs.push({ type: "verified", verified, size: bytes.length });
      this.#plan(verified.images);
    } catch (error) {
      if (!(error instanceof PackageError)) throw error;
      this.#giveUp(error, true);
    }
  }

  #plan(images: readonly EcuImage[]): void {
    for (const image of images) {
      const record = this.#state.ecus.find(({ id }) => id === image.ecu);
      if (record === undefined || record.stage === "silent") {
        this.#giveUp(new LinkError("CAMPAIGN_ECU_SILENT", `${image.ecu} is to be updated and does not answer`), false);
        return;
      }
    }
    for (const image of images) this.#update(image.ecu, { image });
    if (images.length === 0) {
      this.#observe();
      return;
    }
    this.#enter("distributing");
    this.#stepOn();
  }

  #ecuAnswered(ecu: string, answer: EcuAnswer): void {
    const record = this.#state.ecus.find(({ id }) => id === ecu);
    if (record === undefined || !record.busy) return;
    switch (answer.type) {
      case "identified":
        this.#identified(record, answer.version);
        break;
      case "programmed":
        this.#update(ecu, { stage: "programmed", busy: false });
        break;
      case "activated":
        this.#activatedAs(record, answer.version);
        break;
      case "committed":
        this.#update(ecu, { stage: "committed", busy: false });
        break;
      case "reverted":
        this.#update(ecu, { stage: "reverted", busy: false, observed: answer.version });
        break;
      case "released":
        this.#update(ecu, { busy: false });
        break;
      case "failed":
        this.#ecuFailed(record, answer.phase, answer.error);
        break;
    }
    this.#stepOn();
  }

  #identified(record: EcuRecord, version: string): void {
    if (this.#state.phase === "inventory") {
      this.#update(record.id, { stage: "identified", busy: false, before: version, observed: version });
      this.#outputs.push({ type: "observed", ecu: record.id, version, when: "before" });
    } else {
      this.#update(record.id, { busy: false, observed: version });
      this.#outputs.push({ type: "observed", ecu: record.id, version, when: "after" });
    }
  }

  #activatedAs(record: EcuRecord, version: string): void {
    this.#update(record.id, { stage: "activated", busy: false, observed: version });
    this.#outputs.push({ type: "observed", ecu: record.id, version, when: "activated" });
    const target = record.image?.version;
    if (version === target) return;
    const error = new LinkError("CAMPAIGN_VERSION_UNEXPECTED", `${record.id} answers ${version}, not ${target}`);
    this.#update(record.id, { failure: { phase: "activate", error } });
    this.#fail(error);
  }

  #ecuFailed(record: EcuRecord, phase: string, error: BenchError): void {
    const asking = this.#state.phase === "inventory" || this.#state.phase === "observing";
    if (asking) {
      this.#update(record.id, { stage: "silent", busy: false });
      const { observed: _, ...rest } = this.#state.ecus.find(({ id }) => id === record.id) as EcuRecord;
      this.#replace(rest);
      const when = this.#state.phase === "inventory" ? "before" : "after";
      this.#outputs.push({ type: "observed", ecu: record.id, version: undefined, when });
      return;
    }
    this.#update(record.id, { stage: "failed", busy: false, failure: record.failure ?? { phase, error } });
    if (this.#state.phase === "reporting") {
      this.#update(record.id, { busy: false });
      return;
    }
    // A revert that fails is told by what the ECU answers when it is asked at the end.
    if (this.#state.phase !== "rollingBack" && this.#state.phase !== "committing") this.#fail(error);
    else if (this.#state.phase === "committing" && this.#state.error === undefined) this.#fail(error);
  }

  /** Goes on as far as what is known allows. */
  #stepOn(): void {
    const { phase, ecus, error } = this.#state;
    if (phase === "distributing" && error === undefined) this.#distribute();
    else if (!ecus.some(({ busy }) => busy)) this.#allAnswered(phase);
  }

  #allAnswered(phase: PhaseName): void {
    switch (phase) {
      case "inventory":
        this.#inventoried();
        return;
      case "looking":
        if (this.#state.cancelled) this.#observe();
        return;
      case "activating":
        this.#activationOver();
        return;
      case "distributing":
      case "committing":
      case "rollingBack":
        this.#observe();
        return;
      case "observing":
        this.#report();
        return;
      case "reporting":
        if (this.#state.reported) this.#end();
        return;
      case "idle":
      case "fetching":
      case "verifying":
      case "ended":
        return; // nothing depends on ECUs there
    }
  }

  #inventoried(): void {
    if (this.#state.cancelled) {
      this.#observe();
      return;
    }
    this.#enter("looking");
    this.#outputs.push({ type: "source", input: { type: "look", inventory: this.#inventory() } });
  }

  /** Starts the next ECU of every lane that is free; lanes run in parallel. */
  #distribute(): void {
    const { ecus } = this.#state;
    const lanes = new Set(ecus.map(({ lane }) => lane));
    for (const lane of lanes) {
      const inLane = ecus.filter((ecu) => ecu.lane === lane);
      if (inLane.some(({ stage }) => stage === "programming")) continue;
      const next = inLane
        .filter(({ image, stage }) => image !== undefined && stage === "identified")
        .sort((a, b) => (a.image as EcuImage).priority - (b.image as EcuImage).priority)[0];
      if (next?.image === undefined) continue;
      this.#update(next.id, { stage: "programming" });
      this.#command(next.id, { type: "program", image: next.image.payload });
    }
    if (this.#targets().every(({ stage }) => stage === "programmed")) this.#activate();
  }

  #activate(): void {
    this.#state = { ...this.#state, activated: true };
    this.#enter("activating");
    for (const { id } of this.#targets()) {
      this.#update(id, { stage: "activating" });
      this.#command(id, { type: "activate" });
    }
  }

  #activationOver(): void {
    const forward = this.#state.error === undefined;
    this.#enter(forward ? "committing" : "rollingBack");
    for (const { id } of this.#targets()) {
      this.#update(id, { stage: forward ? "committing" : "reverting" });
      this.#command(id, forward ? { type: "commit" } : { type: "revert" });
    }
  }

  /** Asks every ECU what it runs now, the ones that were not touched included. */
  #observe(): void {
    this.#enter("observing");
    for (const { id } of this.#state.ecus) this.#command(id, { type: "identify" });
  }

  #report(): void {
    const { verdict } = this.#result();
    this.#enter("reporting");
    for (const { id } of this.#state.ecus) this.#command(id, { type: "release" });
    this.#outputs.push({ type: "source", input: { type: "report", verdict, inventory: this.#inventory() } });
  }

  #end(): void {
    this.#enter("ended");
    this.#outputs.push({ type: "ended", result: this.#result() });
  }

  #result(): CampaignResult {
    const { activated, error, refused } = this.#state;
    const ecus = this.#state.ecus.map((record) => ecuResult(record, activated && record.image !== undefined));
    const targets = ecus.filter(({ target }) => target !== undefined);
    const all = (...verdicts: readonly string[]): boolean => targets.every(({ verdict }) => verdicts.includes(verdict));
    const told = error === undefined ? {} : { error };
    if (error === undefined && targets.length === 0) return { verdict: "upToDate", ecus };
    if (all("updated") && targets.length > 0) return { verdict: "updated", ecus, ...told };
    if (refused) return { verdict: "refused", ecus, ...told };
    if (!activated && all("unchanged")) return { verdict: "failed", ecus, ...told };
    return { verdict: all("rolledBack") ? "rolledBack" : "mixed", ecus, ...told };
  }

  #giveUp(error: BenchError, refused: boolean): void {
    this.#fail(error);
    if (refused) {
      this.#state = { ...this.#state, refused: true };
      this.#outputs.push({ type: "refused", error });
    }
    this.#observe();
  }

  #fail(error: BenchError): void {
    if (this.#state.error === undefined) this.#state = { ...this.#state, error };
  }

  #inventory(): Inventory {
    const ecus = this.#state.ecus
      .filter(({ observed }) => observed !== undefined)
      .map(({ id, observed }) => ({ id, version: observed as string }));
    return { vin: this.#config.vin, ecus };
  }

  #targets(): readonly EcuRecord[] {
    return this.#state.ecus.filter(({ image }) => image !== undefined);
  }

  #command(ecu: string, command: EcuCommand): void {
    this.#update(ecu, { busy: true });
    this.#outputs.push({ type: "ecu", ecu, command });
  }

  #update(ecu: string, change: Partial<EcuRecord>): void {
    const record = this.#state.ecus.find(({ id }) => id === ecu) as EcuRecord;
    this.#replace({ ...record, ...change });
  }

  #replace(record: EcuRecord): void {
    this.#state = { ...this.#state, ecus: this.#state.ecus.map((other) => (other.id === record.id ? record : other)) };
  }

  #enter(phase: PhaseName): void {
    const from = this.#state.phase;
    this.#state = { ...this.#state, phase };
    this.#outputs.push({ type: "entered", from, to: phase });
  }
}
