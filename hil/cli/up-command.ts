import { UsageError } from "../../emulator/kernel/errors.ts";
import type { BringUp } from "../door/bring-up.ts";
import type { Refusal } from "../door/doors.ts";
import type { DoorOptions, OpenDoors } from "../door/open-doors.ts";
import { printable } from "../link/printable.ts";
import { type Command, type CommandArgs, type CommandIo, ExitCode, flagOption, textOption } from "./command.ts";
import { untilSignal } from "./until-signal.ts";
import { portOf, secondsOf } from "./words.ts";

const LOOPBACK = "127.0.0.1";
/** A client that goes on doing the same thing wrong is named so often. */
const NAMED_MAX = 3;

/** @param bringUp what does the work */
export const upCommand = (bringUp: BringUp): Command => ({
  name: "up",
  summary: "run a vehicle in real time and let other programs in",
  operands: "VEHICLE",
  details: `
Every bus can be reached as a socketcand server, as a serial CAN adapter (SLCAN) over TCP or over a pseudo terminal, and
every zonal gateway as a DoIP entity over TCP and UDP. PORT 0 is any free port. Nothing is open that was not asked for,
and everything listens on loopback unless --host says otherwise: whoever gets in can do to the vehicle what he wants.
Runs until SIGINT, SIGTERM or SIGHUP, or for so many seconds. With --json the first line on standard output tells where
the doors are, the last one what came of it.`,
  options: {
    seed: { type: "string", value: "SEED", help: "all chance in the vehicle, and the keys, come from it (1)" },
    keys: { type: "string", value: "DIR", help: "use the keys of this folder instead of making some from the seed" },
    socketcand: { type: "string", value: "PORT", help: "serve all buses as socketcand does" },
    slcan: { type: "string", value: "BUS=PORT,...", help: "serve each of these buses as an SLCAN adapter over TCP" },
    pty: { type: "string", value: "BUS,...", help: "serve each of these buses as an SLCAN adapter on a terminal" },
    doip: { type: "string", value: "PORT", help: "serve the zonal gateways, the first at PORT, the next at PORT + 1" },
    announce: { type: "string", value: "HOST:PORT", help: "where DoIP entities announce themselves at their start" },
    host: { type: "string", value: "ADDRESS", help: `where to listen (${LOOPBACK})` },
    for: { type: "string", value: "SECONDS", help: "end by itself after that time" },
    out: { type: "string", short: "o", value: "DIR", help: "write trace, candump log and capture there at the end" },
  },
  async run(args, io) {
    const path = vehicleOf(args);
    const json = flagOption(args, "json");
    const doors = doorsOf(args);
    const seconds = secondsOf(textOption(args, "for"));
    const report = await untilSignal((stop) =>
      bringUp(path, {
        doors,
        seconds,
        seed: textOption(args, "seed"),
        keysDir: textOption(args, "keys"),
        outDir: textOption(args, "out"),
        stop,
        onOpen: (open) => io.stdout.write(json ? `${JSON.stringify({ doors: open })}\n` : doorsText(open)),
        onRefusal: (refusal) => name(refusal, io),
        onRecordFull: () => io.stderr.write("otabench: the record is full; it has been written and goes no further\n"),
      }),
    );
    if (json) io.stdout.write(`${JSON.stringify({ report })}\n`);
    else io.stdout.write(`down after ${report.seconds.toFixed(1)} s, ${report.clients} clients\n`);
    return ExitCode.Ok;
  },
});

function vehicleOf({ positionals: [path, extra] }: CommandArgs): string {
  if (path === undefined) throw new UsageError("the vehicle file is missing");
  if (extra !== undefined) throw new UsageError(`"${extra}" is one argument too many`);
  return path;
}

function doorsOf(args: CommandArgs): DoorOptions {
  const [socketcand, doip] = ["socketcand", "doip"].map((name) => {
    const text = textOption(args, name);
    return text === undefined ? undefined : portOf(text);
  });
  const announce = textOption(args, "announce");
  if (announce !== undefined && doip === undefined) throw new UsageError("--announce needs --doip");
  return {
    host: textOption(args, "host") ?? LOOPBACK,
    ...(socketcand === undefined ? {} : { socketcand }),
    ...(doip === undefined ? {} : { doip }),
    ...(announce === undefined ? {} : { announceTo: endpointOf(announce) }),
    slcan: listOf(textOption(args, "slcan")).map((item) => {
      const [bus = "", port = "", ...rest] = item.split("=");
      if (bus === "" || rest.length > 0) throw new UsageError(`"${item}" is no BUS=PORT`);
      return { bus, port: portOf(port) };
    }),
    pty: listOf(textOption(args, "pty")),
  };
}

const listOf = (text: string | undefined): string[] => (text === undefined ? [] : text.split(","));

function endpointOf(text: string): { host: string; port: number } {
  const colon = text.lastIndexOf(":");
  if (colon < 1) throw new UsageError(`"${text}" is no HOST:PORT`);
  return { host: text.slice(0, colon), port: portOf(text.slice(colon + 1)) };
}

function name({ place, door, client, code, reason, count }: Refusal, io: CommandIo): void {
  if (count > NAMED_MAX) return;
  const last = count === NAMED_MAX ? " (and no more of these)" : "";
  io.stderr.write(`otabench: ${door} of ${place}, client ${client}: ${code}: ${printable(reason)}${last}\n`);
}

function doorsText({ host, socketcand, slcan, pty, doip }: OpenDoors): string {
  const lines = [
    ...(socketcand === undefined ? [] : [`socketcand  ${host}:${socketcand.port}  ${socketcand.buses.join(", ")}`]),
    ...slcan.map(({ bus, port }) => `slcan       ${host}:${port}  ${bus}`),
    ...pty.map(({ bus, path }) => `pty         ${path}  ${bus}`),
    ...doip.flatMap(({ gateway, address, port, ecus }) => [
      `doip        ${host}:${port}  ${gateway} ${hex(address)}: ${ecus.map((ecu) => `${ecu.id} ${hex(ecu.address)}`).join(", ")}`,
    ]),
  ];
  return lines.length === 0 ? "up, without a door\n" : `${lines.join("\n")}\n`;
}

const hex = (address: number): string => `0x${address.toString(16).toUpperCase().padStart(4, "0")}`;
