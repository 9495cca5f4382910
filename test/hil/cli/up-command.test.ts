import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { runCli } from "../../../hil/cli/cli.ts";
import { upCommand } from "../../../hil/cli/up-command.ts";
import { bringUp } from "../../../hil/door/bring-up.ts";
import type { Refusal } from "../../../hil/door/doors.ts";
import { keptIo } from "./io.ts";

const VEHICLE = "fixtures/vehicles/two-zone.yaml";
/** A file, in which no folder can be made. */
const FILE = fileURLToPath(import.meta.url);

async function up(...argv: string[]) {
  const io = keptIo();
  const code = await runCli({ version: "0", commands: [upCommand(bringUp)] }, ["up", VEHICLE, ...argv], io);
  return { code, out: io.out(), err: io.err() };
}

describe("otabench up", () => {
  it.each([
    ["a bus that the vehicle does not have", ["--slcan", "can9=0"], 'no bus "can9", only can1, can2'],
    ["a port that is none", ["--socketcand", "70000"], '"70000" is no port'],
    ["an SLCAN bus without a port", ["--slcan", "can1"], '"" is no port'],
    ["announcements of no gateway", ["--announce", "127.0.0.1:13400"], "--announce needs --doip"],
    ["more gateways than ports", ["--doip", "65535"], "2 gateways have no ports from 65535 on"],
    ["no time at all", ["--for", "0"], "no number of seconds"],
  ])("opens nothing for %s", async (_, argv, said) => {
    const { code, out, err } = await up(...argv);
    expect([code, out]).toEqual([2, ""]);
    expect(err).toContain(said);
  });

  it("finds out before the doors open that the record can't be written", async () => {
    const { code, out, err } = await up("--doip", "0", "--out", join(FILE, "out"), "--for", "0.1");
    expect([code, out]).toEqual([2, ""]);
    expect(err).toContain("FILE_UNWRITABLE");
  });

  it("does not begin when there is nobody to announce to", async () => {
    const { code, out, err } = await up("--doip", "0", "--announce", "no-such-host.invalid:13400", "--for", "0.1");
    expect([code, out]).toEqual([3, ""]);
    expect(err).toContain("DOOR_UNAVAILABLE");
  });

  it.each(["SIGINT", "SIGTERM", "SIGHUP"] as const)("ends well at %s, and says what came of it", async (signal) => {
    const io = keptIo();
    const command = upCommand(async (vehicle, { stop }) => {
      setImmediate(() => process.emit(signal, signal));
      await new Promise((resolve) => stop.addEventListener("abort", resolve));
      return { vehicle, seed: "1", seconds: 1.25, clients: 2, refused: {}, files: [] };
    });
    expect(await runCli({ version: "0", commands: [command] }, ["up", VEHICLE], io)).toBe(0);
    expect(io.out()).toBe("down after 1.3 s, 2 clients\n");
    expect(process.listenerCount(signal)).toBe(0);
  });

  it("names what one client does wrong three times, and what is not let in three times altogether", async () => {
    const refusal = (client: number, count: number): Refusal => ({
      place: "can1",
      door: "slcan",
      client,
      code: client === 0 ? "TOO_MANY_CLIENTS" : "MALFORMED",
      reason: "so",
      count,
    });
    const io = keptIo();
    const command = upCommand(async (vehicle, { onRefusal }) => {
      for (let count = 1; count <= 5; count++) for (const client of [0, 1]) onRefusal(refusal(client, count));
      return await Promise.resolve({ vehicle, seed: "1", seconds: 1, clients: 1, refused: {}, files: [] });
    });
    expect(await runCli({ version: "0", commands: [command] }, ["up", VEHICLE], io)).toBe(0);
    expect(io.err().split("\n").slice(0, -1)).toEqual([
      "otabench: slcan of can1, client 0: TOO_MANY_CLIENTS: so",
      "otabench: slcan of can1, client 1: MALFORMED: so",
      "otabench: slcan of can1, client 0: TOO_MANY_CLIENTS: so",
      "otabench: slcan of can1, client 1: MALFORMED: so",
      "otabench: slcan of can1, client 0: TOO_MANY_CLIENTS: so (and no more of these)",
      "otabench: slcan of can1, client 1: MALFORMED: so (and no more of these)",
    ]);
  });
});
