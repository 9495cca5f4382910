import { UsageError } from "../../emulator/kernel/errors.ts";
import { type Bench, ETHERNET_BYTE_TIME } from "../bench/build-bench.ts";
import type { VehicleZone } from "../bench/vehicle-file.ts";
import { CanDoor } from "./can-door.ts";
import type { Doors } from "./doors.ts";
import { openIdentificationDoor } from "./identification-door.ts";
import { PacedWire } from "./paced-wire.ts";
import { openPtyDoor } from "./pty-door.ts";
import { SlcanSession } from "./slcan-session.ts";
import { SocketcandSession } from "./socketcand-session.ts";
import { StreamPool, StreamSession } from "./stream-session.ts";
import { openTcpDoor } from "./tcp-door.ts";

/** Which doors a vehicle gets. Port 0 is any free one. */
export interface DoorOptions {
  /** Where all of them listen. */
  readonly host: string;
  readonly socketcand?: number;
  /** Each bus of its own. */
  readonly slcan?: readonly { readonly bus: string; readonly port: number }[];
  /** Buses that get a pseudo terminal. */
  readonly pty?: readonly string[];
  /** The first zonal gateway has that port, the second the next, and so on. */
  readonly doip?: number;
  readonly announceTo?: { readonly host: string; readonly port: number };
}

/** Where the doors are. */
export interface OpenDoors {
  readonly host: string;
  readonly socketcand?: { readonly port: number; readonly buses: readonly string[] };
  readonly slcan: readonly { readonly bus: string; readonly port: number }[];
  readonly pty: readonly { readonly bus: string; readonly path: string }[];
  readonly doip: readonly DoipDoor[];
}

export interface DoipDoor {
  readonly gateway: string;
  readonly address: number;
  /** TCP and UDP. */
  readonly port: number;
  readonly ecus: readonly { readonly id: string; readonly address: number }[];
}

/** Name of the node on every bus at which programs outside are. */
const DOOR_NODE = "doors";
const PORT_MAX = 65_535;

/** The doors of one bench: first joined to its buses, then, when the run begins, opened to the world. */
export class Entrance {
  readonly #bench: Bench;
  readonly #doors: Doors;
  readonly #options: DoorOptions;
  readonly #buses: ReadonlyMap<string, CanDoor>;
  readonly #closers: (() => Promise<void>)[] = [];

  /** @throws {UsageError} for a bus that the vehicle does not have */
  constructor(bench: Bench, doors: Doors, options: DoorOptions) {
    this.#bench = bench;
    this.#doors = doors;
    this.#options = options;
    for (const bus of [...(options.pty ?? []), ...(options.slcan ?? []).map((each) => each.bus)]) {
      if (!bench.buses.has(bus)) {
        throw new UsageError(`the vehicle has no bus "${bus}", only ${[...bench.buses.keys()].join(", ")}`);
      }
    }
    const gateways = bench.vehicle.zones.length;
    if (options.doip !== undefined && options.doip + gateways - 1 > PORT_MAX) {
      throw new UsageError(`${gateways} gateways have no ports from ${options.doip} on, ${PORT_MAX} is the last one`);
    }
    this.#buses = joinBuses(bench);
  }

  /**
   * Opens all of them, or none.
   * @param epoch Unix time of the start of the run, microseconds @throws {LinkError} "DOOR_UNAVAILABLE"
   */
  async open(epoch: number): Promise<OpenDoors> {
    const { host } = this.#options;
    try {
      const socketcand = await this.#openSocketcand(epoch);
      return {
        host,
        ...(socketcand === undefined ? {} : { socketcand }),
        slcan: await this.#openSlcan(),
        pty: await this.#openPty(),
        doip: await this.#openDoip(),
      };
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.#closers.splice(0).map((close) => close()));
  }

  async #openSocketcand(epoch: number): Promise<OpenDoors["socketcand"]> {
    const { host, socketcand: port } = this.#options;
    if (port === undefined) return undefined;
    const now = () => this.#bench.world.timeline.now;
    const door = await openTcpDoor(this.#doors, {
      host,
      port,
      place: "buses",
      door: "socketcand",
      open: (wire, refuse) => new SocketcandSession({ doors: this.#buses, wire, refuse, now, epoch }),
    });
    this.#closers.push(() => door.close());
    return { port: door.port, buses: [...this.#buses.keys()] };
  }

  async #openSlcan(): Promise<OpenDoors["slcan"]> {
    const open: { bus: string; port: number }[] = [];
    for (const { bus, port } of this.#options.slcan ?? []) {
      const can = this.#buses.get(bus) as CanDoor;
      const door = await openTcpDoor(this.#doors, {
        host: this.#options.host,
        port,
        place: bus,
        door: "slcan",
        open: (wire, refuse) => new SlcanSession(can, wire, refuse),
      });
      this.#closers.push(() => door.close());
      open.push({ bus, port: door.port });
    }
    return open;
  }

  async #openPty(): Promise<OpenDoors["pty"]> {
    const open: { bus: string; path: string }[] = [];
    for (const bus of this.#options.pty ?? []) {
      const can = this.#buses.get(bus) as CanDoor;
      const door = await openPtyDoor(this.#doors, bus, (wire, refuse) => new SlcanSession(can, wire, refuse));
      this.#closers.push(() => door.close());
      open.push({ bus, path: door.path });
    }
    return open;
  }

  async #openDoip(): Promise<readonly DoipDoor[]> {
    const { doip } = this.#options;
    if (doip === undefined) return [];
    const open: DoipDoor[] = [];
    for (const [index, zone] of this.#bench.vehicle.zones.entries()) {
      open.push(await this.#openGateway(zone, doip === 0 ? 0 : doip + index));
    }
    return open;
  }

  async #openGateway({ gateway, ecus }: VehicleZone, port: number): Promise<DoipDoor> {
    const { host, announceTo } = this.#options;
    const { vehicle, world, testerStreams, zonalGateways } = this.#bench;
    const { name, address, ip } = gateway;
    const pool = new StreamPool(testerStreams.get(name) ?? []);
    const now = () => world.timeline.now;
    const door = await openTcpDoor(this.#doors, {
      host,
      port,
      place: name,
      door: "doip",
      open: (wire, refuse) => new StreamSession(pool, new PacedWire(wire), refuse, now, ETHERNET_BYTE_TIME),
    });
    this.#closers.push(() => door.close());
    const identity = { vin: vehicle.vin, address, eid: macOf(ip), gid: macOf(vehicle.vehicleGateway.ip) };
    const powered = () => zonalGateways.get(name)?.powered === true;
    const announce = announceTo === undefined ? {} : { announceTo };
    const udp = await openIdentificationDoor({ host, port: door.port, identity, powered, ...announce });
    this.#closers.push(() => udp.close());
    return { gateway: name, address, port: door.port, ecus: ecus.map((ecu) => ({ id: ecu.id, address: ecu.address })) };
  }
}

/** One node more on every bus; without a program at its door it listens, and acknowledges what others send. */
function joinBuses({ vehicle, buses }: Bench): ReadonlyMap<string, CanDoor> {
  return new Map(
    vehicle.zones.flatMap(({ bus: { name, bitRate, dataBitRate } }) => {
      const link = buses.get(name)?.join(DOOR_NODE);
      return link === undefined
        ? []
        : [[name, new CanDoor({ bus: name, bitRate, fd: dataBitRate !== undefined }, link)]];
    }),
  );
}

/** The MAC address that captures show for a node, too: locally administered, with the IPv4 address in it. */
const macOf = (ip: string): Uint8Array => Uint8Array.of(0x02, 0x00, ...ip.split(".").map(Number));
