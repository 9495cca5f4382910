import { createSocket } from "node:dgram";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { Prng } from "../../emulator/kernel/prng.ts";
import { decodeDoip, encodeDoip } from "../../emulator/wire/doip.ts";
import { writeEcuImage } from "../../hil/release/ecu-image.ts";
import { type ServiceOnPage, servicesOnPage } from "../support/ecu-page.ts";
import { describeWithJudge } from "../support/judges.ts";
import { askPython, RunningVehicle } from "./support/running-vehicle.ts";
import { describeCapture } from "./tshark-suite.ts";

const TIMEOUT = 300_000;
const IMAGE_SIZE = 64 * 1024;
const HEADER_SIZE = 4096;
const WINDOW = "800d2000";
const ALL_ADDRESS = 0x00e0;

let folder = "";
let image = "";
let vehicle: RunningVehicle | undefined;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "otabench-doors-"));
  const firmware = join(folder, "firmware.bin");
  writeFileSync(firmware, new Prng("firmware").bytes(IMAGE_SIZE - HEADER_SIZE));
  image = join(folder, "image.bin");
  const what = { vehicle: "fixtures/vehicles/one-ecu.yaml", ecu: "ECU_001", version: "1.1.0", firmware };
  await writeEcuImage({ ...what, out: image, seed: "1", keysDir: undefined });
});
afterEach(async () => {
  await vehicle?.end();
  vehicle = undefined;
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const up = async (...args: readonly string[]): Promise<RunningVehicle> => {
  vehicle = await RunningVehicle.up(...args);
  return vehicle;
};
const slcanWay = ({ doors }: RunningVehicle): string => `slcan:${doors.slcan[0]?.port}`;
const doipWay = ({ doors }: RunningVehicle): string => `doip:${doors.doip[0]?.port}:${ALL_ADDRESS.toString(16)}`;

/** What both_ways.py has to find. python-can's socketcand marks every frame as 29-bit. */
const BOTH_WAYS = {
  version: [10, 10],
  "standard to slcan": { id: 0x123, extended: false, data: "0102030405060708" },
  "extended to slcan": { id: 0x18da77f1, extended: true, data: "aabb" },
  "standard to socketcand": { id: 0x124, extended: true, data: "11" },
  "extended to socketcand": { id: 0x18da78f1, extended: true, data: "" },
  "answer to slcan": { id: 0x7e8, extended: false, data: "027e00cccccccccc" },
  "answer to socketcand": { id: 0x7e8, extended: true, data: "037f3e12cccccccc" },
};

describeWithJudge("python3-can", "python-can at the doors of a vehicle", () => {
  describeWithJudge("python3-serial", "with pyserial", () => {
    it(
      "sends and receives through socketcand and SLCAN over TCP",
      async () => {
        const running = await up("--socketcand", "0", "--slcan", "vcan0=0");
        const { socketcand, slcan } = running.doors;
        const channel = `socket://127.0.0.1:${slcan[0]?.port}`;
        expect(await askPython("can_both_ways.py", `${socketcand?.port}`, "vcan0", channel)).toEqual(BOTH_WAYS);
        expect(await running.down()).toMatchObject({ clients: 2, refused: {} });
        expect(running.said).toBe("");
        expect(running.exitCode).toBe(0);
      },
      TIMEOUT,
    );

    it(
      "sends and receives through SLCAN on a pseudo terminal",
      async () => {
        const running = await up("--socketcand", "0", "--pty", "vcan0");
        const { socketcand, pty } = running.doors;
        const path = pty[0]?.path as string;
        expect(await askPython("can_both_ways.py", `${socketcand?.port}`, "vcan0", path)).toEqual(BOTH_WAYS);
      },
      TIMEOUT,
    );
  });
});

const FLASHED = {
  before: "1.0.0",
  size: IMAGE_SIZE,
  extended: expect.stringMatching(/^5003/),
  programming: expect.stringMatching(/^5002/),
  key: "6702",
  erase: "7101ff0000",
  blocks: Array.from({ length: 17 }, (_, index) => `76${(index + 1).toString(16).padStart(2, "0")}`),
  exit: "77",
  check: "7101ff0200",
  dependencies: "7101ff0100",
  reset: "5101",
  after: "1.1.0",
};

describeWithJudge("python3-scapy", "scapy as tester of a running vehicle", () => {
  let captured = "";

  it(
    "updates an ECU over SLCAN: session, unlock, erase, 64 KiB, check, reset, new version",
    async () => {
      const running = await up("--slcan", "vcan0=0");
      expect(await askPython("scapy_flash.py", slcanWay(running), image, WINDOW)).toEqual(FLASHED);
      expect((await running.down()).refused).toEqual({});
    },
    TIMEOUT,
  );

  it(
    "updates an ECU over DoIP",
    async () => {
      const running = await up("--doip", "0", "--out", join(folder, "doip"));
      expect(await askPython("scapy_flash.py", doipWay(running), image, WINDOW)).toEqual(FLASHED);
      const { refused, files } = await running.down();
      expect(refused).toEqual({});
      captured = files.find((file) => file.endsWith(".pcapng")) as string;
    },
    TIMEOUT,
  );

  describeCapture("tshark reads the capture of scapy's update", () => captured, {
    buses: { vcan0: [0x10, 0x27, 0x31, 0x34, 0x36, 0x37, 0x11, 0x22] },
    doipTypes: [0x0005, 0x0006, 0x8001, 0x8002],
    connectionsMin: 1,
  });

  it(
    "finds with its scanner the sessions and services that docs/protocols/ecu.md tells of, and no others",
    async () => {
      const running = await up("--slcan", "vcan0=0");
      const asked = [...range(0x10, 0x3f), ...range(0x83, 0x88)].map((sid) => sid.toString(16));
      const found = await askPython("scapy_scan.py", slcanWay(running), asked.join(","));
      const told = found.services as Record<string, Record<string, string>>;
      for (const session of ["1", "2", "3"]) {
        const kinds = asked.map((sid) => kindOf(told[session]?.[sid]));
        expect(kinds).toEqual(asked.map((sid) => kindExpected(sid, Number(session))));
      }
      const sessions = found.sessions as Record<string, Record<string, string>>;
      expect(sessions["1"]).toEqual({ "01": "positive", "02": "7e", "03": "positive", "04": "12", "05": "12" });
      expect(sessions["3"]).toMatchObject({ "02": "positive", "04": "12", "05": "12" });
    },
    TIMEOUT,
  );
});

describe("a running vehicle", () => {
  it("is found over UDP by who asks for a vehicle", async () => {
    const running = await up("--doip", "0");
    const socket = createSocket("udp4");
    try {
      socket.bind(0, "127.0.0.1");
      await once(socket, "listening");
      socket.send(
        encodeDoip({ type: "vehicleIdentificationRequest" }),
        running.doors.doip[0]?.port as number,
        "127.0.0.1",
      );
      const [answer] = (await once(socket, "message")) as [Buffer];
      expect(decodeDoip(new Uint8Array(answer))).toMatchObject({ vin: "KMHXX00XXXX000001", address: 0x0100 });
    } finally {
      socket.close();
    }
  });
});

type Kind = "unknown" | "other session" | "there" | "nothing";

function kindOf(said: string | undefined): Kind {
  if (said === undefined || said === "nothing") return "nothing";
  if (said === "11") return "unknown";
  return said === "7f" ? "other session" : "there";
}

/** Of what can be configured the vehicle has 84. */
const SERVICES: readonly ServiceOnPage[] = servicesOnPage().filter(({ sid, optional }) => !optional || sid === 0x84);

function kindExpected(sid: string, session: number): Kind {
  const service = SERVICES.find((each) => each.sid === Number.parseInt(sid, 16));
  if (service === undefined) return "unknown";
  return service.sessions.includes(session) ? "there" : "other session";
}

const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, index) => from + index);
