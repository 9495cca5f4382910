import type { Command, CommandArgs, CommandIo } from "./command.ts";

/** Does the work of `otabench device`. */
export type RunDevice = (args: CommandArgs, io: CommandIo) => Promise<number>;

/** @param run what does the work */
export const deviceCommand = (run: RunDevice): Command => ({
  name: "device",
  summary: "manage the updates of one device: step by step, at once, by a menu, or by a schedule",
  operands: "ACTION --state DIR",
  details: `
ACTION is one of
  init [SYSTEM]       set DIR up for https (if none is named), rsu, srup or ssu, with a first account, who is admin
  status              how things are
  check, download, verify, apply, all
  schedule [off | daily HH:MM | "MIN HOUR DAY MONTH WEEKDAY"]   show or set when to do all
  run                 do all by the schedule, until SIGINT or SIGTERM
  log                 what was done, and whether the log is whole
  users [list | add NAME ROLE | remove NAME | role NAME ROLE | password [NAME]]
  menu                all of this by a menu
DIR holds what is known, fetched and done, and survives a power cut at any moment. Roles: admin may do everything, user
everything but schedule and users, viewer sees status and log. Passwords are asked for without echo; from a pipe or
--password-file, a line is taken.`,
  options: {
    state: { type: "string", value: "DIR", help: "folder of the device" },
    user: { type: "string", short: "u", value: "NAME", help: "who does it; asked for if not given" },
    "password-file": { type: "string", value: "FILE", help: "its first line is the password" },
    "new-password-file": { type: "string", value: "FILE", help: "users: its first line is the new password" },
    server: {
      type: "string",
      value: "URL",
      help: "init: https://HOST:PORT, rsu://HOST:PORT, ssu://HOST:PORT, or HOST:PORT",
    },
    name: {
      type: "string",
      value: "NAME",
      help: "init: what to ask for: a path (https), a target (rsu) or a file (ssu)",
    },
    target: { type: "string", value: "FILE", help: "init: releases are put in the place of this file" },
    vehicle: { type: "string", value: "VEHICLE", help: "init: releases are installed in this virtual vehicle" },
    ecu: { type: "string", value: "ECU", help: "init: whom a release must be for" },
    ca: { type: "string", value: "FILE", help: "init: the certificate that the server's must lead to, PEM" },
    signer: { type: "string", value: "FILE", help: "init: the public key that releases are signed with, PEM" },
    keys: { type: "string", value: "DIR", help: "init: trust the CA and the package key of this folder" },
    seed: { type: "string", value: "SEED", help: "init: trust those made from this seed" },
    cert: { type: "string", value: "FILE", help: "init: certificate to show if the server asks for one, PEM" },
    key: { type: "string", value: "FILE", help: "init: its private key, PEM" },
    current: { type: "string", value: "X.Y.Z", help: "init: version of what is in the target file (0.0.0)" },
    max: { type: "string", value: "BYTES", help: "init: the longest file that is taken (67108864)" },
    id: { type: "string", value: "ID", help: "init: what the jitter of the schedule comes from (random)" },
    wait: { type: "string", value: "SECONDS", help: "init: rsu: let the server announce what comes within that time" },
    tls12: { type: "boolean", help: "init: https: take TLS 1.2 with ECDHE-RSA-AES256-GCM-SHA384 too" },
    jitter: { type: "string", value: "SECONDS", help: "schedule: up to so much later, another time each time (0)" },
    zone: { type: "string", value: "ZONE", help: "schedule: time zone, such as Europe/Berlin (UTC)" },
    last: { type: "string", value: "COUNT", help: "log: how many records to show (1000)" },
    quiet: { type: "boolean", short: "q", help: "no progress" },
  },
  run,
});
