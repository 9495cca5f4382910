import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Prng } from "../../../emulator/kernel/prng.ts";
import type { SourceOutput } from "../../../gateway/source/update-source.ts";
import { type VehicleSource, Vehicles } from "../../support/vehicles.ts";
import { INVENTORY, isOwners, packageFor, pipelineVerdict, signatureOf } from "./releases.ts";
import type { DeviceOptions, UpdateServerRig, UpdateSystem } from "./update-system.ts";

const SEED = process.env.OTABENCH_SEED ?? "20261121";
const PIECE_MAX = 65_536;

/** What every update system must do, on its own server, over sockets. */
export function testUpdateSystem(system: UpdateSystem): void {
  const prng = new Prng(`${SEED} ${system.name}`);
  const file = prng.bytes(300_000 + prng.below(100_000));
  const other = prng.bytes(300_000 + prng.below(100_000));
  let rig: UpdateServerRig;
  let fleets: Vehicles[];

  const publish = (content: Uint8Array, { byOwner = true, version = "2.0.0" } = {}): void =>
    rig.publish({ file: content, signature: signatureOf(content, byOwner), version });

  beforeEach(async () => {
    rig = await system.start();
    publish(file);
    fleets = [];
  });
  afterEach(async () => {
    for (const fleet of fleets) await fleet.close();
    await rig.close();
  });

  const makeVehicles = (...options: DeviceOptions[]): readonly VehicleSource[] => {
    const made = new Vehicles(
      system.makeDriver(),
      options.map((each) => rig.makeSource(each)),
    );
    fleets.push(made);
    return made.all;
  };
  const makeVehicle = (options: DeviceOptions = {}): VehicleSource => makeVehicles(options)[0] as VehicleSource;

  const verified = (vehicle: VehicleSource): boolean => {
    const { end } = vehicle;
    return end?.type === "fetched" && isOwners(vehicle.received, end.signature);
  };
  const expectWhole = (vehicle: VehicleSource, content: Uint8Array): void => {
    expect(vehicle.end).toMatchObject({ type: "fetched", size: content.length });
    expect(vehicle.received).toEqual(content);
    expect(verified(vehicle)).toBe(true);
  };
  /** Calls it when so many pieces have come. */
  const atPiece = (vehicle: VehicleSource, count: number, act: () => void): void => {
    let pieces = 0;
    vehicle.onOutput = ({ type }) => {
      if (type === "piece" && ++pieces === count) act();
    };
  };

  describe(`${system.name} as an update system (SEED=${SEED})`, () => {
    it("offers what is published, with its size if it tells one", async () => {
      const offer = await makeVehicle().offer();
      expect(offer.release).not.toBe("");
      expect(offer.size ?? file.length).toBe(file.length);
    });

    it("has no offer where nothing is published", async () => {
      rig.publish(undefined);
      expect(await makeVehicle().look()).toMatchObject({ type: "noOffer" });
    });

    it("brings the whole file in order, in pieces that are no surprise", async () => {
      const vehicle = makeVehicle();
      await vehicle.fetch(await vehicle.offer());
      expectWhole(vehicle, file);
      let offset = 0;
      for (const piece of vehicle.pieces) {
        expect(piece.offset).toBe(offset);
        expect(piece.length).toBeLessThanOrEqual(PIECE_MAX);
        offset += piece.length;
      }
    });

    const cuts = Array.from({ length: 6 }, () => ({ at: 1 + prng.below(300_000 - 1), times: 1 + prng.below(3) }));
    it.each(cuts)("goes on after a cut at byte $at, $times times", async ({ at, times }) => {
      const vehicle = makeVehicle();
      const offer = await vehicle.offer();
      rig.cutAfter(at, times);
      await vehicle.fetch(offer);
      expectWhole(vehicle, file);
      const brought = vehicle.pieces.reduce((sum, { length }) => sum + length, 0);
      if (system.resumes) expect(brought).toBe(file.length);
    });

    it("says the same each time when it is cut at the same byte", async () => {
      const stories: SourceOutput[][] = [];
      for (let run = 0; run < 2; run++) {
        rig.healthy();
        const vehicle = makeVehicle();
        const offer = await vehicle.offer();
        rig.cutAfter(200_000, 2);
        await vehicle.fetch(offer);
        stories.push(vehicle.outputs);
      }
      expect(stories[1]).toEqual(stories[0]);
    });

    it("goes on where the caller says, with another vehicle's start of it", async () => {
      const vehicle = makeVehicle();
      await vehicle.fetch(await vehicle.offer(), 12_345);
      expect(vehicle.end).toMatchObject({ type: "fetched", size: file.length });
      const start = system.resumes ? 12_345 : 0;
      expect(vehicle.pieces[0]?.offset).toBe(start);
      expect(vehicle.received.subarray(start)).toEqual(file.subarray(start));
    });

    it("never lets a turned byte pass for the release", async () => {
      const vehicle = makeVehicle();
      const offer = await vehicle.offer();
      rig.corruptByteAt(prng.below(file.length));
      await vehicle.fetch(offer);
      expect(verified(vehicle)).toBe(false);
    });

    it("never lets a shortened file pass for the release", async () => {
      const vehicle = makeVehicle();
      rig.truncateTo(prng.below(file.length - 1) + 1);
      await vehicle.fetch(await vehicle.offer());
      expect(verified(vehicle)).toBe(false);
    });

    it("delivers a file with somebody else's signature, which then does not verify", async () => {
      publish(file, { byOwner: false });
      const vehicle = makeVehicle();
      await vehicle.fetch(await vehicle.offer());
      expect(vehicle.received).toEqual(file);
      expect(verified(vehicle)).toBe(false);
    });

    it("never mixes two releases, when another one is published in the middle", async () => {
      const vehicle = makeVehicle();
      const offer = await vehicle.offer();
      rig.cutAfter(150_000, 1);
      atPiece(vehicle, 2, () => publish(other));
      await vehicle.fetch(offer);
      expectWhole(vehicle, other);
    });

    it("goes on when the server is gone in the middle, and back", async () => {
      const vehicle = makeVehicle();
      const offer = await vehicle.offer();
      rig.slow(400_000);
      let tries = 0;
      let isGone = false;
      vehicle.onOutput = ({ type }) => {
        if (type === "piece" && !isGone) {
          isGone = true;
          rig.gone();
        } else if (type === "request" && isGone && ++tries === 2) {
          rig.healthy();
        }
      };
      await vehicle.fetch(offer);
      expectWhole(vehicle, file);
      expect(tries).toBeGreaterThanOrEqual(2);
    });

    it("ends when the server is gone for good, and what has come can be used later", async () => {
      const vehicle = makeVehicle();
      const offer = await vehicle.offer();
      rig.slow(400_000);
      atPiece(vehicle, 1, () => rig.gone());
      const end = await vehicle.fetch(offer);
      expect(end).toMatchObject({ type: "failed", retryable: true });
      const { received } = vehicle;
      expect(received.length).toBeGreaterThan(0);
      expect(received).toEqual(file.subarray(0, received.length));
      rig.healthy();
      await vehicle.fetch(offer, received.length);
      expect(vehicle.end).toMatchObject({ type: "fetched", size: file.length });
      expect(vehicle.received.subarray(received.length)).toEqual(file.subarray(received.length));
    });

    it("ends when there is no server at all", async () => {
      rig.gone();
      expect(await makeVehicle().look()).toMatchObject({ type: "failed", retryable: true });
    });

    it("puts up with a slow server", async () => {
      rig.slow(2_000_000);
      const vehicle = makeVehicle();
      await vehicle.fetch(await vehicle.offer());
      expectWhole(vehicle, file);
    });

    it("takes no more than it may", async () => {
      const vehicle = makeVehicle({ sizeMax: 100_000 });
      const looked = await vehicle.look();
      const end = looked?.type === "offer" ? await vehicle.fetch(looked.offer) : looked;
      expect(end).toMatchObject({ type: "failed", error: { code: "SOURCE_TOO_LARGE" }, retryable: false });
      expect(vehicle.received.length).toBeLessThanOrEqual(100_000);
    });

    it("takes an empty file for none", async () => {
      publish(new Uint8Array(0));
      const vehicle = makeVehicle();
      const looked = await vehicle.look();
      const end = looked?.type === "offer" ? await vehicle.fetch(looked.offer) : looked;
      expect(end).toMatchObject({ type: "failed", error: { code: "SOURCE_EMPTY" }, retryable: false });
    });

    it("is cancelled before anything came, and in the middle, and can begin again", async () => {
      const vehicle = makeVehicle();
      const offer = await vehicle.offer();
      vehicle.begin({ type: "fetch", offer, from: 0 });
      vehicle.push({ type: "cancel" });
      expect(vehicle.end).toEqual({ type: "cancelled" });
      vehicle.onOutput = ({ type }) => {
        if (type === "piece") vehicle.push({ type: "cancel" });
      };
      expect(await vehicle.fetch(offer)).toEqual({ type: "cancelled" });
      vehicle.onOutput = () => {};
      await vehicle.fetch(offer);
      expectWhole(vehicle, file);
    });

    it("serves two vehicles at once", async () => {
      const [one, two] = makeVehicles({}, {}) as [VehicleSource, VehicleSource];
      one.begin({ type: "report", verdict: "none", inventory: { vin: "", ecus: [] } });
      const offer = await two.offer();
      one.begin({ type: "fetch", offer, from: 0 });
      await two.fetch(offer);
      expectWhole(one, file);
      expectWhole(two, file);
    });

    it("says nothing to a server of another authority, and takes nothing from it", async () => {
      const vehicle = makeVehicle({ trusting: false });
      const untrusted = { type: "failed", error: { code: "SOURCE_UNTRUSTED" }, retryable: false };
      expect(await vehicle.look()).toMatchObject(untrusted);
      const offer = await makeVehicle().offer();
      expect(await vehicle.fetch(offer)).toMatchObject(untrusted);
      expect(vehicle.received).toHaveLength(0);
    });

    it("brings a package that the pipeline takes, one for another vehicle, and one that is older than what is there", async () => {
      const verdicts: string[] = [];
      const outcome = async (bytes: Uint8Array, version: string): Promise<string> => {
        publish(bytes, { version });
        const vehicle = makeVehicle();
        const looked = await vehicle.look(INVENTORY);
        // a system that offers by version has nothing to offer here, or is found out offering it
        if (looked?.type !== "offer") return looked?.type ?? "nothing";
        const end = await vehicle.fetch(looked.offer);
        return end?.type === "fetched" ? pipelineVerdict(vehicle.received, end.signature) : (end?.type ?? "nothing");
      };
      verdicts.push(await outcome(packageFor(INVENTORY.vin, "2.0.0"), "2.0.0"));
      verdicts.push(await outcome(packageFor("KMHXX00XXXX000002", "2.0.0"), "2.0.0"));
      verdicts.push(await outcome(packageFor(INVENTORY.vin, "1.0.0"), "1.0.0"));
      expect(verdicts.slice(0, 2)).toEqual(["ok", "PACKAGE_TARGET_WRONG"]);
      expect(verdicts[2]).toBe(system.offersByVersion ? "noOffer" : "PACKAGE_VERSION_OLDER");
    });

    it("takes nothing from a server that speaks an unknown version of the protocol", async () => {
      const vehicles = new Vehicles(system.makeDriver(), [await rig.strangeVersion()]);
      fleets.push(vehicles);
      const [vehicle] = vehicles.all as [VehicleSource];
      expect(await vehicle.look()).toMatchObject({ type: "failed", retryable: false });
    });

    it("reports how it ended, or says that it has", async () => {
      const vehicle = makeVehicle();
      vehicle.begin({ type: "report", verdict: "updated", inventory: { vin: "", ecus: [] } });
      expect(vehicle.end).toEqual({ type: "reported" });
    });
  });
}
