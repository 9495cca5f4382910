import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { VirtualCanBus } from "../../emulator/bus/virtual-can-bus.ts";
import { isoTpAddress, type NAi } from "../../emulator/isotp/addressing.ts";
import { classicIsoTp } from "../../emulator/isotp/defaults.ts";
import { IsoTpNode } from "../../emulator/isotp/isotp-node.ts";
import { Prng } from "../../emulator/kernel/prng.ts";
import { type Instant, s } from "../../emulator/kernel/time.ts";
import { World } from "../../emulator/kernel/world.ts";
import { pcapngOfTrace } from "../../hil/record/pcapng-writer.ts";
import { writePieces } from "../../hil/record/pieces.ts";
import { describeWithJudge } from "../support/judges.ts";

const LENGTHS = [2, 6, 7, 8, 12, 13, 4095];
/** TransferData of so many bytes. */
const message = (length: number): Uint8Array => Uint8Array.from([0x36, ...new Prng(length).bytes(length - 1)]);

/** A capture of requests of each length, one after the other. */
function capture(path: string, request: NAi, response: NAi): void {
  const { timeline, trace } = new World();
  const bus = new VirtualCanBus({ name: "can1", bitRate: 500_000 }, timeline, trace);
  const silent = { message: () => undefined, sent: () => undefined, failed: () => undefined };
  const open = (name: string, tx: NAi, rx: NAi) =>
    new IsoTpNode(name, bus.join(name), timeline, trace).open(classicIsoTp(isoTpAddress(tx, rx)), silent);
  const tester = open("tester", request, response);
  open("ecu", response, request);
  for (const length of LENGTHS) {
    tester.send(message(length));
    timeline.runToIdle(s(1000) as unknown as Instant);
  }
  writePieces(path, pcapngOfTrace([...trace.events()]));
}

describeWithJudge("tshark", "tshark reads ISO-TP with an address byte", () => {
  let folder = "";
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "otabench-addressing-"));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it.each<[string, NAi, NAi]>([
    [
      "extended addressing",
      { format: "extended", id: 0x6f1, extended: false, target: 0x15 },
      { format: "extended", id: 0x615, extended: false, target: 0xf1 },
    ],
    [
      "mixed addressing of 29 bits",
      { format: "mixed29", target: 0x15, source: 0xf1, addressExtension: 0x05 },
      { format: "mixed29", target: 0xf1, source: 0x15, addressExtension: 0x05 },
    ],
  ])("%s: every message whole, nothing malformed", (_, request, response) => {
    const path = join(folder, "addressing.pcapng");
    capture(path, request, response);
    const preferences = [
      "iso15765.addressing:Extended addressing",
      "iso15765.can.ids:0x600-0x6ff",
      "iso15765.can.extended_ids:0x18cd0000-0x18ceffff",
    ].flatMap((preference) => ["-o", preference]);
    const columns = ["iso15765.message_type", "iso15765.data_length", "iso15765.reassembled.length", "_ws.malformed"];
    const shown = columns.flatMap((column) => ["-e", column]);
    const args = ["-r", path, ...preferences, "-d", "iso15765.subdissector,uds", "-T", "fields", ...shown];
    const rows = execFileSync("tshark", args, {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
      timeout: 60_000,
    })
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => line.split("\t"));
    expect(rows.filter(([, , , malformed]) => malformed !== "")).toEqual([]);
    const single = rows.filter(([type]) => Number(type) === 0).map(([, length]) => Number(length));
    const whole = rows.flatMap(([, , length]) => (length === "" ? [] : [Number(length)]));
    expect([...single, ...whole]).toEqual(LENGTHS);
  });
});
