import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { describeWithJudge } from "../support/judges.ts";

/** Everything is handed to UDS, checksums are checked. */
const PREFERENCES = ["-d", "iso15765.subdissector,uds"].concat(
  [
    "iso15765.can.ids:0x7df,0x7e0-0x7ef",
    "iso15765.can.extended_ids:0x18da0000-0x18dbffff",
    "ip.check_checksum:TRUE",
    "tcp.check_checksum:TRUE",
  ].flatMap((preference) => ["-o", preference]),
);
const FIRST_FRAME = 1;

/** What a capture has to hold. */
export interface CaptureExpectations {
  /** The CAN interfaces, each with the service identifiers that it must have requests and positive answers of. */
  readonly buses: Readonly<Record<string, readonly number[]>>;
  /** Payload types of DoIP that must be there. */
  readonly doipTypes: readonly number[];
  /** At least so many TCP connections are opened. */
  readonly connectionsMin: number;
}

/**
 * Has tshark read a capture of a run without faults.
 *
 * Wireshark 4.0 puts the segments of all ISO-TP messages that go on at one time into one, whatever their buses and
 * identifiers: so the frames of each identifier are judged in a file of their own, which tshark cuts out.
 * @param capture makes the capture in the folder given and answers its path
 */
export function describeCapture(
  title: string,
  capture: (folder: string) => string | Promise<string>,
  expectations: CaptureExpectations,
): void {
  describeWithJudge("tshark", title, () => {
    let folder = "";
    let path = "";
    beforeAll(async () => {
      folder = mkdtempSync(join(tmpdir(), "otabench-tshark-"));
      path = await capture(folder);
    });
    afterAll(() => rmSync(folder, { recursive: true, force: true }));

    for (const [bus, services] of Object.entries(expectations.buses)) {
      it(`shows UDS in whole messages on ${bus}`, () => {
        const file = busFile(path, folder, bus);
        const ids = new Set(fields(file, "can || canfd", ["can.id"]).map(([id]) => id as string));
        judgeBus(
          [...ids].map((id) => idFile(file, id)),
          services,
        );
      });
    }

    it("shows DoIP on the Ethernet interface, nothing malformed", () => {
      const ethernet = busFile(path, folder, "ethernet");
      const types = new Set(fields(ethernet, "doip", ["doip.type"]).flatMap(([type]) => (type ?? "").split(",")));
      for (const type of expectations.doipTypes) {
        expect([...types]).toContain(`0x${type.toString(16).padStart(4, "0")}`);
      }
      expect(fields(ethernet, "_ws.malformed", ["frame.number"])).toEqual([]);
    });

    it("shows TCP without an error, and with right checksums", () => {
      expect(fields(path, "tcp.analysis.flags", ["frame.number"])).toEqual([]);
      const checks = fields(path, "tcp", ["ip.checksum.status", "tcp.checksum.status"]);
      expect(new Set(checks.map(String))).toEqual(new Set(["1,1"]));
      const openings = fields(path, "tcp.flags.syn==1 && tcp.flags.ack==0", ["tcp.stream"]);
      expect(openings.length).toBeGreaterThanOrEqual(expectations.connectionsMin);
    });
  });
}

/** @param files one for each identifier */
function judgeBus(files: readonly string[], services: readonly number[]): void {
  const columns = ["uds.reply", "uds.sid", "iso15765.message_type", "iso15765.reassembled.length", "_ws.malformed"];
  const rows = files.map((file) => fields(file, "iso15765 || _ws.malformed", columns));
  expect(rows.flat().filter(([, , , , malformed]) => malformed !== "")).toEqual([]);
  const messages = new Set(rows.flat().map(([reply, sid]) => `${reply},${sid}`));
  for (const sid of services) {
    const hex = `0x${sid.toString(16).padStart(2, "0")}`;
    expect([...messages]).toContain(`0x00,${hex}`);
    expect([...messages]).toContain(`0x01,${hex}`);
  }
  const started = rows.map((ofOne) => ofOne.filter(([, , type]) => Number(type) === FIRST_FRAME).length);
  const finished = rows.map((ofOne) => ofOne.filter(([, , , length]) => length !== "").length);
  expect(Math.max(...started)).toBeGreaterThan(0);
  expect(finished).toEqual(started);
}

function idFile(path: string, id: string): string {
  const file = path.replace(/\.pcapng$/, `-${id}.pcapng`);
  tshark(["-r", path, "-Y", `can.id==${id}`, "-w", file]);
  return file;
}

/** The packets of one interface in a file of their own. */
function busFile(path: string, folder: string, name: string): string {
  const file = join(folder, `only-${name}.pcapng`);
  tshark(["-r", path, "-Y", `frame.interface_name=="${name}"`, "-w", file]);
  return file;
}

/** One row for each packet that passes the filter. */
function fields(path: string, filter: string, names: readonly string[]): string[][] {
  const columns = names.flatMap((name) => ["-e", name]);
  const text = tshark(["-r", path, ...PREFERENCES, "-Y", filter, "-T", "fields", ...columns]);
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => line.split("\t"));
}

function tshark(args: readonly string[]): string {
  return execFileSync("tshark", args, {
    encoding: "utf8",
    maxBuffer: 1 << 28,
    stdio: ["ignore", "pipe", "ignore"],
    timeout: 120_000,
  });
}
