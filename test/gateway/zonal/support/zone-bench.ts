import { FaultyCanLink } from "../../../../emulator/bus/faulty-can-link.ts";
import { VirtualCanBus } from "../../../../emulator/bus/virtual-can-bus.ts";
import { VirtualStream } from "../../../../emulator/bus/virtual-stream.ts";
import type { Behaviour } from "../../../../emulator/ecu/behaviours.ts";
import { defaultEcuConfig, FAMILY_BOOTLOADERS } from "../../../../emulator/ecu/config.ts";
import type { ImageKind } from "../../../../emulator/ecu/image-check.ts";
import { VirtualEcu } from "../../../../emulator/ecu/virtual-ecu.ts";
import { normalFixed } from "../../../../emulator/isotp/addressing.ts";
import type { IsoTpConfig } from "../../../../emulator/isotp/config.ts";
import { classicIsoTp, fdIsoTp } from "../../../../emulator/isotp/defaults.ts";
import { Prng } from "../../../../emulator/kernel/prng.ts";
import { Pump } from "../../../../emulator/kernel/pump.ts";
import { type Duration, type Instant, ms, plus, us } from "../../../../emulator/kernel/time.ts";
import { World } from "../../../../emulator/kernel/world.ts";
import { toHex } from "../../../../emulator/wire/text.ts";
import { DoipTester, type DoipTesterInput, type DoipTesterOutput } from "../../../../gateway/doip/doip-tester.ts";
import { EcuUpdater, type UpdaterInput, type UpdaterOutput } from "../../../../gateway/tester/ecu-updater.ts";
import type { UpdaterConfig } from "../../../../gateway/tester/updater-config.ts";
import type { FamilyMode } from "../../../../gateway/zonal/family/config.ts";
import { ZonalGateway } from "../../../../gateway/zonal/zonal-gateway.ts";
import { nodeCrypto } from "../../../../hil/crypto/node-crypto.ts";
import { seededP256Key } from "../../../../hil/crypto/seeded-keys.ts";
import { signingKey } from "../../../../hil/crypto/signing-key.ts";
import { buildImage } from "../../../../hil/release/build-image.ts";

const KIB = 1024;
const WINDOW = 0x800d2000;
const BANK_SIZE = 64 * KIB;
const VMG = 0x0200;
const ZG = 0x0100;
const IMAGE_KEY = signingKey(seededP256Key("zone tests", "image"));

export interface ZoneOptions {
  readonly fd?: boolean;
  readonly family?: FamilyMode;
  /** Of ECU_011, as what follows. */
  readonly behaviours?: readonly Behaviour[];
  readonly isotp?: Partial<IsoTpConfig>;
  readonly updater?: Partial<UpdaterConfig>;
  /** Its bootloader can be updated. */
  readonly bootloader?: boolean;
}

export const image = (ecu: string, version: string, length = 20 * KIB, kind: ImageKind = "application"): Uint8Array =>
  buildImage(
    { ecu, kind, version, hardwareVersion: "1.0.0", buildTime: 1_790_000_000, code: new Prng(version).bytes(length) },
    IMAGE_KEY,
  );

interface Seat {
  readonly name: string;
  readonly address: number;
  readonly ecu: VirtualEcu;
  readonly updater: Pump<UpdaterInput, UpdaterOutput>;
}

/** One zone: a tester, a stream, a zonal gateway, a bus and two ECUs, all in virtual time. */
export class ZoneBench {
  readonly world = new World();
  readonly stream: VirtualStream;
  readonly bus: VirtualCanBus;
  /** The gateway's place on the bus, where frames can be lost. */
  readonly link: FaultyCanLink;
  readonly gateway: ZonalGateway;
  readonly seats: readonly Seat[];
  /** What the updaters said, progress and frames left out. */
  readonly said: { readonly ecu: string; readonly at: Instant; readonly output: UpdaterOutput }[] = [];
  readonly lost: string[] = [];
  #ready = false;
  readonly #tester: Pump<DoipTesterInput, DoipTesterOutput>;
  #waiting: { readonly target: number; readonly data: Uint8Array }[] = [];

  constructor(options: ZoneOptions = {}) {
    const { world } = this;
    const { timeline, trace: tracer } = world;
    const { fd = false } = options;
    const ends = { name: "doip1", client: "VMG", server: "ZG_1", latency: us(100) };
    this.stream = world.add("stream", new VirtualStream(ends, timeline, tracer));
    const rates = { name: "can1", bitRate: 500_000, ...(fd ? { dataBitRate: 2_000_000 } : {}) };
    this.bus = world.add("bus", new VirtualCanBus(rates, timeline, tracer));
    const names = [11, 12];
    const place = { name: "faults", node: "ZG_1", bus: "can1" };
    this.link = world.add("link", new FaultyCanLink(this.bus.join("ZG_1"), place, timeline, tracer, 7));
    const functional = {
      txId: fd ? normalFixed(0x33, 0xf1, true) : 0x7df,
      extended: fd,
      txDl: 8,
      fd,
      bitRateSwitch: fd,
      padding: 0xcc,
      nAs: ms(1000),
    } as const;
    this.gateway = world.add(
      "gateway",
      new ZonalGateway(
        {
          name: "ZG_1",
          address: ZG,
          testerAddresses: [VMG],
          functional,
          ...(options.family === undefined ? {} : { family: options.family }),
          ecus: names.map((n) => ({ id: `ECU_0${n}`, address: 0x1000 + n, isotp: isotp(n, fd, false) })),
        },
        { timeline, tracer, stream: this.stream.server, link: this.link },
      ),
    );
    const tester = world.add("tester", new DoipTester({ address: VMG, gateway: ZG }));
    this.#tester = new Pump(tester, timeline, (output) => this.#testerSaid(output));
    this.stream.client.attach({
      opened: () => this.#tester.push({ type: "opened" }),
      received: (data) => this.#tester.push({ type: "bytes", data }),
      closed: (reason) => this.#tester.push({ type: "closed", reason }),
    });
    this.seats = names.map((n) => this.#seat(`ECU_0${n}`, n, options));
    world.add("bench", this);
  }

  get now(): Instant {
    return this.world.timeline.now;
  }

  seat(name: string): Seat {
    return this.seats.find((seat) => seat.name === name) as Seat;
  }

  run(span: Duration): void {
    this.world.timeline.runUntil(plus(this.now, span));
  }

  /** Runs until the ECU has seen a request that begins with these bytes. */
  runToRequest(ecu: string, hex: string): void {
    let seen = false;
    const end = this.world.trace.on("uds.request", ({ source, data }) => {
      if (source === ecu && toHex(data).startsWith(hex)) seen = true;
    });
    while (!seen) if (!this.world.timeline.step()) throw new Error(`${ecu} never saw ${hex}`);
    end();
  }

  /** Tells one ECU's updater something and runs until it has ended it; answers how. */
  do(ecu: string, input: UpdaterInput, limit: Duration = ms(600_000)): UpdaterOutput {
    const before = this.said.length;
    this.tell(ecu, input);
    return this.ending(ecu, before, limit);
  }

  tell(ecu: string, input: UpdaterInput): void {
    this.seat(ecu).updater.push(input);
  }

  ending(ecu: string, after: number, limit: Duration = ms(600_000)): UpdaterOutput {
    const end = plus(this.now, limit);
    for (;;) {
      const found = this.said.slice(after).find((entry) => entry.ecu === ecu && entry.output.type !== "noted");
      if (found !== undefined) return found.output;
      if (this.now >= end || !this.world.timeline.step()) throw new Error(`${ecu} never ended it`);
    }
  }

  /** For World: what this bench itself remembers. */
  save(): { readonly ready: boolean; readonly waiting: readonly { target: number; data: Uint8Array }[] } {
    return { ready: this.#ready, waiting: [...this.#waiting] };
  }

  load(state: ReturnType<ZoneBench["save"]>): void {
    this.#ready = state.ready;
    this.#waiting = [...state.waiting];
  }

  #seat(name: string, n: number, options: ZoneOptions): Seat {
    const { fd = false, behaviours = [], updater = {} } = options;
    const boots = n === 11 && options.bootloader === true;
    const { world } = this;
    const { timeline, trace: tracer } = world;
    const config = defaultEcuConfig({
      name,
      isotp: { ...isotp(n, fd, true), ...(n === 11 ? options.isotp : {}) },
      imagePublicKey: IMAGE_KEY.publicKey,
      behaviours: n === 11 ? behaviours : [],
      codeFlash: {
        address: WINDOW,
        size: 2 * BANK_SIZE,
        sectorSize: 8 * KIB,
        pageSize: 32,
        sectorEraseTime: ms(250),
        pageProgramTime: ms(5 / 16),
      },
      ...(boots ? { bootloader: FAMILY_BOOTLOADERS } : {}),
      banks: { window: WINDOW, address: { A: WINDOW, B: WINDOW + BANK_SIZE }, size: BANK_SIZE },
    });
    const parts = { timeline, tracer, crypto: nodeCrypto, prng: new Prng(name), link: this.bus.join(name) };
    const ecu = world.add(name, new VirtualEcu(config, parts));
    const settings = boots ? { bootloader: image(name, "1.0.0", 8 * KIB, "bootloader") } : {};
    ecu.provision(image(name, "1.0.0"), settings);
    const machine = new EcuUpdater({
      ecu: name,
      memory: { address: WINDOW, size: BANK_SIZE },
      seedKey: "tc375Bootloader",
      fingerprint: Uint8Array.of(0x26, 0x11, 0x21, 1, 2, 3, 4, 5, 6),
      ...updater,
    });
    world.add(`updater of ${name}`, machine);
    const address = 0x1000 + n;
    const pump = new Pump(machine, timeline, (output: UpdaterOutput) => this.#updaterSaid(name, address, output));
    return { name, address, ecu, updater: pump };
  }

  #updaterSaid(ecu: string, address: number, output: UpdaterOutput): void {
    if (output.type === "transmit") this.send(address, output.data);
    else if (output.type !== "progress") this.said.push({ ecu, at: this.now, output });
  }

  send(target: number, data: Uint8Array): void {
    if (this.#ready) {
      this.#tester.push({ type: "send", target, data });
      return;
    }
    this.#waiting.push({ target, data });
    this.#tester.push({ type: "connect" });
  }

  readonly heard: { readonly source: number; readonly data: Uint8Array }[] = [];

  #testerSaid(output: DoipTesterOutput): void {
    switch (output.type) {
      case "open":
        this.stream.client.open();
        return;
      case "bytes":
        this.stream.client.send(output.data);
        return;
      case "close":
        this.stream.client.close();
        return;
      case "ready":
        this.#ready = true;
        for (const { target, data } of this.#waiting.splice(0)) this.#tester.push({ type: "send", target, data });
        return;
      case "lost":
        this.#ready = false;
        this.#waiting = [];
        this.lost.push(output.error.code);
        for (const seat of this.seats) seat.updater.push(output);
        return;
      case "message":
        this.heard.push(output);
        this.#at(output.source)?.updater.push({ type: "received", data: output.data });
        return;
      case "acknowledged":
        this.#at(output.target)?.updater.push({ type: "acknowledged" });
        return;
      case "refused":
        this.#at(output.target)?.updater.push({ type: "refused", code: output.code });
        return;
    }
  }

  #at(address: number): Seat | undefined {
    return this.seats.find((seat) => seat.address === address);
  }
}

/** ECU_n on the bus, seen from the gateway or from the ECU. */
function isotp(n: number, fd: boolean, fromEcu: boolean): IsoTpConfig {
  const request = fd ? normalFixed(n, 0xf1) : 0x7e0 + n - 11;
  const response = fd ? normalFixed(0xf1, n) : 0x7e8 + n - 11;
  const functionalRxId = fd ? normalFixed(0x33, 0xf1, true) : 0x7df;
  const address = fromEcu
    ? { txId: response, rxId: request, extended: fd, functionalRxId }
    : { txId: request, rxId: response, extended: fd };
  return fd ? fdIsoTp(address) : classicIsoTp(address);
}
