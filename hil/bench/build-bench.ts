import type { CanNodeConfig } from "../../emulator/bus/can-node.ts";
import { FaultyCanLink } from "../../emulator/bus/faulty-can-link.ts";
import type { StreamLink } from "../../emulator/bus/link.ts";
import { VirtualCanBus, type VirtualCanBusConfig } from "../../emulator/bus/virtual-can-bus.ts";
import { VirtualStream } from "../../emulator/bus/virtual-stream.ts";
import { FAMILY_BANKS } from "../../emulator/ecu/config.ts";
import { VirtualEcu } from "../../emulator/ecu/virtual-ecu.ts";
import { frameAddress } from "../../emulator/isotp/addressing.ts";
import type { FunctionalConfig } from "../../emulator/isotp/isotp-node.ts";
import { Prng } from "../../emulator/kernel/prng.ts";
import { ms, ns } from "../../emulator/kernel/time.ts";
import { World } from "../../emulator/kernel/world.ts";
import type { ImageSignatureName } from "../../emulator/wire/image-header.ts";
import type { CampaignResult } from "../../gateway/campaign/campaign-io.ts";
import type { PackagePolicy, PackageTools } from "../../gateway/package/open-package.ts";
import type { UpdateSource } from "../../gateway/source/update-source.ts";
import { type HostPort, VehicleGateway, type VehicleGatewayConfig } from "../../gateway/vehicle/vehicle-gateway.ts";
import type { FamilyMode } from "../../gateway/zonal/family/config.ts";
import { ZonalGateway } from "../../gateway/zonal/zonal-gateway.ts";
import { ecuConfig, gatewayIsoTp } from "./ecu-config.ts";
import { pathTime } from "./path-time.ts";
import type { Vehicle, VehicleZone } from "./vehicle-file.ts";

/** What a bench needs besides the vehicle file. */
export interface BenchParts {
  /** All chance in the vehicle comes from it. */
  readonly seed: string;
  readonly tools: PackageTools;
  /** Whose images the ECUs take: SubjectPublicKeyInfo, DER. */
  readonly imageKeys: Readonly<Record<ImageSignatureName, Uint8Array>>;
  /** Whose packages the vehicle gateway takes, and how large they may be. */
  readonly policy: Pick<PackagePolicy, "trusted" | "sizeMax" | "raw">;
  readonly source: UpdateSource;
  readonly host: HostPort;
  readonly ended: (result: CampaignResult) => unknown;
  /** How many TCP sockets each zonal gateway has for testers from outside; none if left out. */
  readonly testerSockets?: number;
}

/** A whole virtual vehicle, joined up and without power in its ECUs. */
export interface Bench {
  readonly vehicle: Vehicle;
  readonly world: World;
  readonly ecus: ReadonlyMap<string, VirtualEcu>;
  readonly vehicleGateway: VehicleGateway;
  /** By name. */
  readonly buses: ReadonlyMap<string, VirtualCanBus>;
  /** Zonal gateways by name. */
  readonly zonalGateways: ReadonlyMap<string, ZonalGateway>;
  /** The tester's ends of the sockets for testers from outside, by the name of the zonal gateway. */
  readonly testerStreams: ReadonlyMap<string, readonly StreamLink[]>;
  /** Every node's connection to its bus, by the name of the node: the place for faults. */
  readonly links: ReadonlyMap<string, FaultyCanLink>;
}

/** One way between two gateways: a switch and two network stacks. */
const ETHERNET_LATENCY = ms(0.25);
const ETHERNET_BYTES_PER_SECOND = 12_500_000;
/** How long one byte takes between tester and gateway. */
export const ETHERNET_BYTE_TIME = ns(1e9 / ETHERNET_BYTES_PER_SECOND);
/** Logical addresses of external test equipment. (ISO 13400-2:2019, Table 13) */
const TESTER_ADDRESSES = Array.from({ length: 0x200 }, (_, index) => 0x0e00 + index);
/** Of the tester, in F15B: date of programming (BCD) and the vehicle gateway's serial number. */
const FINGERPRINT = Uint8Array.of(0x26, 0x01, 0x15, 0x4f, 0x54, 0x42, 0x30, 0x30, 0x31);

/** Builds everything that a vehicle file describes. The same file and seed give the same bench, part for part. */
export function buildBench(vehicle: Vehicle, parts: BenchParts): Bench {
  const world = new World();
  const bench: Built = {
    vehicle,
    world,
    ecus: new Map(),
    links: new Map(),
    buses: new Map(),
    zonalGateways: new Map(),
    testerStreams: new Map(),
  };
  const streams = new Map<string, VirtualStream>();
  for (const zone of vehicle.zones) streams.set(zone.gateway.name, buildZone(zone, bench, parts));
  const clients = new Map([...streams].map(([gateway, stream]) => [gateway, stream.client]));
  const config = vehicleGatewayConfig(vehicle, parts.policy);
  const vehicleGateway = new VehicleGateway(config, {
    timeline: world.timeline,
    tracer: world.trace,
    streams: clients,
    source: parts.source,
    host: parts.host,
    tools: parts.tools,
    ended: parts.ended,
  });
  return { ...bench, vehicleGateway: world.add(config.name, vehicleGateway) };
}

type Built = Pick<Bench, "vehicle" | "world"> & {
  readonly ecus: Map<string, VirtualEcu>;
  readonly links: Map<string, FaultyCanLink>;
  readonly buses: Map<string, VirtualCanBus>;
  readonly zonalGateways: Map<string, ZonalGateway>;
  readonly testerStreams: Map<string, readonly StreamLink[]>;
};

/** One bus with its ECUs and its zonal gateway. @returns the connection between that gateway and the vehicle gateway */
function buildZone(zone: VehicleZone, bench: Built, parts: BenchParts): VirtualStream {
  const { vehicle, world } = bench;
  const { timeline, trace: tracer } = world;
  const { name, address } = zone.gateway;
  const bus = world.add(zone.bus.name, new VirtualCanBus(busConfig(zone), timeline, tracer));
  bench.buses.set(bus.name, bus);
  const link = (node: string, own: CanController): FaultyCanLink => {
    const faulty = new FaultyCanLink(
      bus.join(node, controllerOf(zone, own)),
      { node, name: bus.name },
      timeline,
      tracer,
      `${parts.seed} ${node} link`,
    );
    bench.links.set(node, world.add(`${node} link`, faulty));
    return faulty;
  };
  for (const ecu of zone.ecus) {
    const config = ecuConfig(vehicle, zone, ecu, parts.imageKeys);
    const { crypto } = parts.tools;
    const chance = prng(parts, `${ecu.id} chance`);
    const virtual = new VirtualEcu(config, {
      timeline,
      tracer,
      crypto,
      prng: chance,
      link: link(ecu.id, ecu.can.controller),
    });
    bench.ecus.set(ecu.id, world.add(ecu.id, virtual));
  }
  const client = vehicle.vehicleGateway.name;
  const stream = world.add(`${client}-${name}`, ethernet(client, name, world));
  const outside = testerStreams(name, world, parts);
  const gateway = new ZonalGateway(
    {
      name,
      address,
      testerAddresses: [vehicle.vehicleGateway.address, ...(outside.length === 0 ? [] : TESTER_ADDRESSES)],
      ecus: zone.ecus.map((ecu) => ({ id: ecu.id, address: ecu.address, isotp: gatewayIsoTp(zone, ecu) })),
      ...functionalOf(zone),
      ...familyOf(zone),
    },
    {
      timeline,
      tracer,
      stream: stream.server,
      testerStreams: outside.map(({ server }) => server),
      link: link(name, zone.gateway.controller),
    },
  );
  bench.zonalGateways.set(name, world.add(name, gateway));
  bench.testerStreams.set(
    name,
    outside.map((each) => each.client),
  );
  return stream;
}

function testerStreams(gateway: string, world: World, { testerSockets = 0 }: BenchParts): readonly VirtualStream[] {
  return Array.from({ length: testerSockets }, (_, index) => {
    const tester = `tester${index + 1}`;
    return world.add(`${tester}-${gateway}`, ethernet(tester, gateway, world));
  });
}

function ethernet(client: string, server: string, { timeline, trace }: World): VirtualStream {
  const ends = { name: `${client}-${server}`, client, server };
  const speed = { latency: ETHERNET_LATENCY, bytesPerSecond: ETHERNET_BYTES_PER_SECOND };
  return new VirtualStream({ ...ends, ...speed }, timeline, trace);
}

function vehicleGatewayConfig(vehicle: Vehicle, policy: BenchParts["policy"]): VehicleGatewayConfig {
  const zones = vehicle.zones.map((zone) => ({
    gateway: zone.gateway.name,
    address: zone.gateway.address,
    acknowledges: zone.gateway.mode === "strict",
    ecus: zone.ecus.map((ecu) => ({
      id: ecu.id,
      address: ecu.address,
      updater: {
        ecu: ecu.id,
        memory: { address: FAMILY_BANKS.window, size: FAMILY_BANKS.size },
        seedKey: ecu.seedKey,
        fingerprint: FINGERPRINT,
        client: { path: pathTime(zone, ecu) },
        // New software confirms itself after that time.
        timing: { soak: ms(1_000 + ecu.healthyRunMs) },
      },
    })),
  }));
  const { name, address } = vehicle.vehicleGateway;
  return { name, address, vin: vehicle.vin, zones, policy };
}

/** A zonal gateway of the family knows its zone as it left the factory. */
function familyOf({ gateway, ecus }: VehicleZone): { family?: FamilyMode } {
  if (gateway.mode === "strict") return {};
  const own = { id: gateway.name, software: "0.0.0", hardware: "1.0.0", serialNumber: gateway.name };
  const zone = ecus.map(({ id, software, hardwareVersion, serialNumber }) => ({
    id,
    software: software.version,
    hardware: hardwareVersion,
    serialNumber,
  }));
  return { family: { name: gateway.mode, own, zone } };
}

/** The zone's functional requests go out with the identifier that its ECUs listen to, if they do. */
function functionalOf(zone: VehicleZone): { functional?: FunctionalConfig } {
  const listener = zone.ecus.find(({ can }) => can.functional !== undefined);
  if (listener?.can.functional === undefined) return {};
  const { txDl, fd, bitRateSwitch, padding, nAs } = gatewayIsoTp(zone, listener);
  const { id: txId, ...address } = frameAddress(listener.can.functional, true);
  return {
    functional: { txId, ...address, txDl, fd, bitRateSwitch, nAs, ...(padding === undefined ? {} : { padding }) },
  };
}

type CanController = VehicleZone["gateway"]["controller"];

const controllerOf = ({ bus: { controller } }: VehicleZone, own: CanController): CanNodeConfig => ({
  transmitOrder: own.transmitOrder ?? controller.transmitOrder,
  busOffRecovery: own.busOffRecovery ?? controller.busOffRecovery,
});

const busConfig = ({ bus: { name, bitRate, dataBitRate } }: VehicleZone): VirtualCanBusConfig =>
  dataBitRate === undefined ? { name, bitRate } : { name, bitRate, dataBitRate };

const prng = ({ seed }: BenchParts, of: string): Prng => new Prng(`${seed} ${of}`);
