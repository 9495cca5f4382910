import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { Prng } from "../../emulator/kernel/prng.ts";
import { RsuSource } from "../../gateway/source/rsu/rsu-source.ts";
import { RsuDriver } from "../../hil/link/rsu/rsu-driver.ts";
import { type RsuServerHandle, startRsuServer } from "../../hil/server/rsu/rsu-server.ts";
import { testTls } from "../support/https-client.ts";
import { describeWithJudge } from "../support/judges.ts";
import { startUdpProxy } from "../support/udp-proxy.ts";
import { type VehicleSource, Vehicles } from "../support/vehicles.ts";
import { Ngtcp2Peer } from "./support/rsu/ngtcp2-peer.ts";

const { certificate, privateKey, ca } = testTls();
const bytes = (length: number): Uint8Array => new Prng(`ngtcp2 ${length}`).bytes(length);

describeWithJudge("ngtcp2", "RSU with a device and a server of the original's kind on ngtcp2", () => {
  let peer: Ngtcp2Peer;
  const open: { close(): Promise<void> }[] = [];
  beforeAll(() => {
    peer = new Ngtcp2Peer();
  });
  afterEach(async () => {
    for (const each of open.splice(0)) await each.close();
  });
  afterAll(() => peer.close());

  async function serve(data: Uint8Array, options: object = {}): Promise<RsuServerHandle> {
    const server = await startRsuServer({ certificate, privateKey, ...options });
    open.push(server);
    server.publish("firmware", { version: "2.1.0", data });
    return server;
  }

  function device(port: number): VehicleSource {
    const vehicles = new Vehicles(new RsuDriver(), [new RsuSource({ server: `rsu://localhost:${port}`, ca })]);
    open.push(vehicles);
    return vehicles.all[0] as VehicleSource;
  }

  it.each([0, 1, 512, 513, 15_960, 100_000, 1_000_000])(
    "its device takes %i bytes from our server, each event being one PDU, and its acknowledgement arrives",
    async (length) => {
      const events: string[] = [];
      const { port } = await serve(bytes(length), { onEvent: ({ type }: { type: string }) => events.push(type) });
      const { said, firmware } = await peer.device(port);
      expect(said).toBe(`ok ${length}`);
      expect(firmware.equals(bytes(length))).toBe(true);
      expect(events).toContain("delivered");
    },
  );

  it("its device takes 30000 bytes, each event being one PDU, over a way of 20 ms", async () => {
    const { port } = await serve(bytes(30_000));
    const way = await startUdpProxy(port, (from, data, { toClient, toServer }) => {
      setTimeout(() => (from === "client" ? toServer(data) : toClient(data)), 20);
    });
    open.push(way);
    expect((await peer.device(way.port)).said).toBe("ok 30000");
  });

  it("its device, which takes what our server has for too old, ends at the ERROR and does not hang", async () => {
    const { port } = await serve(bytes(100));
    expect((await peer.device(port, ["2.0.0", "2.1.0"])).said).toBe("died: AttributeError");
    expect((await peer.device(port, ["3.0.0", "1.0.0"])).said).toBe("died: AttributeError");
  });

  it("its device crashes, and does not hang, when our server ends in the middle", async () => {
    const server = await serve(bytes(100_000));
    server.setFaults([{ name: "dieAfterBytes", bytes: 30_000 }]);
    expect((await peer.device(server.port)).said).toMatch(/^died: JSONDecodeError/);
  });

  it("its device crashes, and does not hang, when our server is stopped in the middle", async () => {
    const sending = Promise.withResolvers<void>();
    const onEvent = ({ type }: { type: string }): void => void (type === "sending" && sending.resolve());
    const server = await serve(bytes(2_000_000), { onEvent });
    const ended = peer.device(server.port);
    await sending.promise;
    await new Promise((next) => setTimeout(next, 200));
    await server.close();
    expect((await ended).said).toBe("died: JSONDecodeError: Expecting value");
  });

  it("ten of its devices at once are served", async () => {
    const { port } = await serve(bytes(60_000));
    const outcomes = await Promise.all(Array.from({ length: 10 }, () => peer.device(port)));
    expect(outcomes.map(({ said }) => said)).toEqual(Array.from({ length: 10 }, () => "ok 60000"));
  });

  it.each([1, 512, 513, 15_960, 1_000_000])("our device brings %i bytes from its server", async (length) => {
    const { port, lines } = await peer.serve(bytes(length));
    const vehicle = device(port);
    const end = await vehicle.fetch(await vehicle.offer());
    expect(end).toEqual({ type: "fetched", size: length });
    expect(Buffer.from(vehicle.received).equals(bytes(length))).toBe(true);
    // a look, and a fetch; no task died of what it got
    await expect
      .poll(() => lines)
      .toEqual(["heard 0 on 0: ", "heard 0 on 0: ", "heard 2 on 0: ", "heard 5 on 1: All data received"]);
  });

  it("our device refuses what its server, which compares versions as text, offers to a newer one", async () => {
    const { port } = await peer.serve(bytes(100));
    const inventory = { vin: "", ecus: [{ id: "ECU_011", version: "10.0.0" }] };
    expect(await device(port).look(inventory)).toMatchObject({ type: "failed", error: { code: "SOURCE_DOWNGRADE" } });
  });
});
