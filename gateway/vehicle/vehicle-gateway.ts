import type { StreamLink } from "../../emulator/bus/link.ts";
import type { BenchError } from "../../emulator/kernel/errors.ts";
import type { Stateful } from "../../emulator/kernel/machine.ts";
import { Pump } from "../../emulator/kernel/pump.ts";
import type { Instant } from "../../emulator/kernel/time.ts";
import type { Timeline } from "../../emulator/kernel/timeline.ts";
import type { Tracer } from "../../emulator/kernel/trace.ts";
import { Campaign } from "../campaign/campaign.ts";
import type {
  CampaignConfig,
  CampaignInput,
  CampaignOutput,
  CampaignResult,
  PhaseName,
  SourceSaid,
} from "../campaign/campaign-io.ts";
import type { PackageTools } from "../package/open-package.ts";
import { type HostAnswer, type HostRequest, recordedRequest } from "../source/host-request.ts";
import type { SourceInput, SourceOutput, UpdateSource } from "../source/update-source.ts";
import { EcuUpdater, type UpdaterConfig, type UpdaterInput, type UpdaterOutput } from "../tester/ecu-updater.ts";
import { ZoneConnection, type ZoneConnectionState } from "./zone-connection.ts";

export interface VehicleGatewayConfig {
  /** "VMG" */
  readonly name: string;
  readonly vin: string;
  /** Our logical address, 0x0200. */
  readonly address: number;
  readonly zones: readonly {
    /** The zonal gateway, such as "ZG_1". */
    readonly gateway: string;
    readonly address: number;
    /** False: it never acknowledges a diagnostic message. */
    readonly acknowledges?: boolean;
    readonly ecus: readonly { readonly id: string; readonly address: number; readonly updater: UpdaterConfig }[];
  }[];
  readonly policy: CampaignConfig["policy"];
}

/** The world outside, as the vehicle gateway asks for it; answers come back through {@link VehicleGateway.answer}. */
export interface HostPort {
  request(id: number, request: HostRequest): void;
  abandon(id: number): void;
  /** Whoever asked is gone: no request is of interest any more. */
  abandonAll(): void;
}

export interface VehicleGatewayParts {
  readonly timeline: Timeline;
  readonly tracer: Tracer;
  /** The client end of the connection to each zonal gateway, by its name. */
  readonly streams: ReadonlyMap<string, StreamLink>;
  readonly source: UpdateSource;
  readonly host: HostPort;
  readonly tools: PackageTools;
  /** Told once for each campaign. */
  readonly ended: (result: CampaignResult) => unknown;
}

export interface VehicleGatewayState {
  readonly powered: boolean;
  readonly campaign: unknown;
  readonly source: unknown;
  readonly updaters: readonly unknown[];
  readonly connections: readonly ZoneConnectionState[];
  readonly received: number;
  readonly total: number;
  readonly broken: boolean;
}

interface EcuSeat {
  readonly id: string;
  readonly address: number;
  readonly zone: number;
  readonly updater: EcuUpdater;
  readonly pump: Pump<UpdaterInput, UpdaterOutput>;
}

/**
 * The vehicle gateway: an update source towards the cloud, a campaign, one updater for each ECU, and a DoIP connection to
 * each zonal gateway. Composition only; every decision is made in one of these machines.
 */
export class VehicleGateway implements Stateful<VehicleGatewayState> {
  readonly #config: VehicleGatewayConfig;
  readonly #parts: VehicleGatewayParts;
  readonly #campaign: Campaign;
  readonly #campaignPump: Pump<CampaignInput, CampaignOutput>;
  readonly #sourcePump: Pump<SourceInput, SourceOutput>;
  readonly #connections: ZoneConnection[] = [];
  readonly #seats: EcuSeat[] = [];
  readonly #fresh: { campaign: unknown; source: unknown; updaters: readonly unknown[] };
  #powered = true;
  #received = 0;
  #total = 0;
  /** The last request to the world outside failed. */
  #broken = false;

  constructor(config: VehicleGatewayConfig, parts: VehicleGatewayParts) {
    this.#config = config;
    this.#parts = parts;
    const ecus = config.zones.flatMap(({ gateway, ecus: inZone }) => inZone.map(({ id }) => ({ id, lane: gateway })));
    this.#campaign = new Campaign({ vin: config.vin, ecus, policy: config.policy }, parts.tools);
    this.#campaignPump = new Pump(this.#campaign, parts.timeline, (output) => this.#campaignSaid(output));
    this.#sourcePump = new Pump(parts.source, parts.timeline, (output) => this.#sourceSaid(output));
    for (const [zone] of config.zones.entries()) this.#build(zone);
    this.#fresh = {
      campaign: this.#campaign.save(),
      source: parts.source.save(),
      updaters: this.#seats.map(({ updater }) => updater.save()),
    };
  }

  get phase(): PhaseName {
    return this.#campaign.phase;
  }

  get powered(): boolean {
    return this.#powered;
  }

  /** Begins a campaign; harmless while one is under way or power is off. */
  startUpdate(): void {
    if (this.#powered) this.#campaignPump.push({ type: "start" });
  }

  cancelUpdate(): void {
    if (this.#powered) this.#campaignPump.push({ type: "cancel" });
  }

  /** What the world outside answered to a request. Answers to requests that nobody waits for any more are dropped. */
  answer(id: number, answer: HostAnswer): void {
    if (!this.#powered) return;
    const data = answer.type === "body" ? answer.data : new Uint8Array(0);
    const { data: _, ...rest } = { data: undefined, ...answer };
    const fields = { id, kind: this.#parts.source.kind, answer: JSON.stringify(rest), data };
    this.#parts.tracer.record(this.#now, this.#config.name, "host.input", fields);
    if (answer.type === "failed") this.#broken = true;
    this.#sourcePump.push({ type: "answer", request: id, answer });
  }

  /** Everything that is not in a store is forgotten; connections die. The next campaign starts over. */
  powerOff(): void {
    if (!this.#powered) return;
    this.#powered = false;
    this.#parts.tracer.record(this.#now, this.#config.name, "gateway.power", { on: 0 });
    this.#parts.host.abandonAll();
    for (const connection of this.#connections) connection.powerOff();
    this.#campaign.load(this.#fresh.campaign as never);
    this.#campaignPump.settle();
    this.#parts.source.load(this.#fresh.source);
    this.#sourcePump.settle();
    this.#received = 0;
    this.#total = 0;
    this.#broken = false;
    for (const [index, { updater, pump }] of this.#seats.entries()) {
      updater.load(this.#fresh.updaters[index] as never);
      pump.settle();
    }
  }

  powerOn(): void {
    if (this.#powered) return;
    this.#powered = true;
    this.#parts.tracer.record(this.#now, this.#config.name, "gateway.power", { on: 1 });
  }

  save(): VehicleGatewayState {
    return {
      powered: this.#powered,
      campaign: this.#campaign.save(),
      source: this.#parts.source.save(),
      updaters: this.#seats.map(({ updater }) => updater.save()),
      connections: this.#connections.map((connection) => connection.save()),
      received: this.#received,
      total: this.#total,
      broken: this.#broken,
    };
  }

  load(state: VehicleGatewayState): void {
    this.#powered = state.powered;
    this.#campaign.load(state.campaign as never);
    this.#parts.source.load(state.source);
    for (const [index, { updater }] of this.#seats.entries()) updater.load(state.updaters[index] as never);
    for (const [index, connection] of this.#connections.entries()) {
      connection.load(state.connections[index] as ZoneConnectionState);
    }
    this.#received = state.received;
    this.#total = state.total;
    this.#broken = state.broken;
  }

  get #now(): Instant {
    return this.#parts.timeline.now;
  }

  #build(zone: number): void {
    const {
      gateway,
      address,
      ecus,
      acknowledges = true,
    } = this.#config.zones[zone] as VehicleGatewayConfig["zones"][number];
    const { timeline, streams } = this.#parts;
    const at = (target: number): EcuSeat | undefined =>
      this.#seats.find((seat) => seat.zone === zone && seat.address === target);
    this.#connections.push(
      new ZoneConnection(
        { address: this.#config.address, gateway: address, acknowledges },
        timeline,
        streams.get(gateway) as StreamLink,
        {
          acknowledged: (target) => at(target)?.pump.push({ type: "acknowledged" }),
          refused: (target, code) => at(target)?.pump.push({ type: "refused", code }),
          received: (source, data) => at(source)?.pump.push({ type: "received", data }),
          lost: (error) => this.#lost(zone, error),
        },
      ),
    );
    for (const ecu of ecus) {
      const updater = new EcuUpdater(ecu.updater);
      const pump = new Pump(updater, timeline, (output: UpdaterOutput) => this.#updaterSaid(ecu.id, output));
      this.#seats.push({ id: ecu.id, address: ecu.address, zone, updater, pump });
    }
  }

  #lost(zone: number, error: BenchError): void {
    for (const seat of this.#seats) if (seat.zone === zone) seat.pump.push({ type: "lost", error });
  }

  #seat(id: string): EcuSeat {
    return this.#seats.find((seat) => seat.id === id) as EcuSeat;
  }

  #updaterSaid(ecu: string, output: UpdaterOutput): void {
    switch (output.type) {
      case "transmit": {
        const { zone, address } = this.#seat(ecu);
        (this.#connections[zone] as ZoneConnection).send(address, output.data);
        return;
      }
      case "progress": {
        const { phase, done, total } = output;
        this.#parts.tracer.record(this.#now, this.#config.name, "campaign.progress", { ecu, phase, done, total });
        return;
      }
      case "noted":
        this.#parts.tracer.record(this.#now, this.#config.name, "tester.noted", { ecu, code: output.code });
        return;
      case "failed": {
        const { phase, error } = output;
        const fields = { ecu, phase, code: error.code, reason: error.message };
        this.#parts.tracer.record(this.#now, this.#config.name, "campaign.ecuFailed", fields);
        this.#campaignPump.push({ type: "ecu", ecu, answer: output });
        return;
      }
      case "identified":
      case "programmed":
      case "activated":
      case "committed":
      case "reverted":
      case "released":
        this.#campaignPump.push({ type: "ecu", ecu, answer: output });
        return;
    }
  }

  #campaignSaid(output: CampaignOutput): void {
    const { tracer } = this.#parts;
    const { name } = this.#config;
    switch (output.type) {
      case "ecu":
        this.#seat(output.ecu).pump.push(output.command);
        return;
      case "source":
        this.#sourcePump.push(output.input);
        return;
      case "entered":
        tracer.record(this.#now, name, "campaign.state", { from: output.from, to: output.to });
        return;
      case "verified": {
        const { format, images } = output.verified;
        tracer.record(this.#now, name, "package.verified", { format, images: images.length, size: output.size });
        return;
      }
      case "refused":
        tracer.record(this.#now, name, "package.refused", { code: output.error.code, reason: output.error.message });
        return;
      case "observed": {
        const { ecu, version, when } = output;
        tracer.record(this.#now, name, "campaign.observed", { ecu, version: version ?? "", when });
        return;
      }
      case "ended":
        this.#ended(output.result);
        return;
    }
  }

  #ended(result: CampaignResult): void {
    const { verdict, error } = result;
    const fields = { verdict, code: error?.code ?? "", reason: error?.message ?? "" };
    this.#parts.tracer.record(this.#now, this.#config.name, "campaign.ended", fields);
    for (const connection of this.#connections) connection.close();
    this.#parts.ended(result);
  }

  #sourceSaid(output: SourceOutput): void {
    if (output.type === "request") this.#request(output.request, output.what);
    else if (output.type === "abandon") this.#parts.host.abandon(output.request);
    else {
      this.#traceSource(output);
      this.#campaignPump.push({ type: "source", said: output });
    }
  }

  #request(id: number, request: HostRequest): void {
    const fields = { id, kind: request.kind, request: recordedRequest(request) };
    this.#parts.tracer.record(this.#now, this.#config.name, "host.request", fields);
    this.#parts.host.request(id, request);
  }

  #traceSource(output: SourceSaid): void {
    const { tracer, source } = this.#parts;
    const { name } = this.#config;
    const { system } = source;
    if (output.type === "offer") {
      const { release, size = 0 } = output.offer;
      this.#total = size;
      this.#received = 0;
      this.#broken = false;
      tracer.record(this.#now, name, "source.offer", { system, release, size });
    } else if (output.type === "piece") {
      const end = output.offset + output.data.length;
      if (this.#broken) tracer.record(this.#now, name, "source.resumed", { system, offset: output.offset });
      this.#broken = false;
      this.#received = end;
      tracer.record(this.#now, name, "source.progress", { system, received: end, total: this.#total });
    } else if (output.type === "failed") {
      const { code, message } = output.error;
      tracer.record(this.#now, name, "source.failed", { system, code, reason: message });
    }
  }
}
