import { UsageError } from "../../emulator/kernel/errors.ts";
import { printable } from "../link/printable.ts";
import type { Serve, ServerOpen } from "../system/serve.ts";
import { type Command, ExitCode, flagOption, textOption } from "./command.ts";
import { untilSignal } from "./until-signal.ts";
import { portOf, secondsOf, signaturesWord } from "./words.ts";

/** @param serve what does the work */
export const serverCommand = (serve: Serve): Command => ({
  name: "server",
  summary: "play the server of one update system, for anybody's device",
  operands: "SYSTEM [NAME=]FILE...",
  details: `
SYSTEM is https, rsu, srup or ssu. FILE is served as it is, whatever is in it, with the signature FILE.sig if that is there. NAME is
what devices ask for: a path (https), a target (rsu) or a file (ssu); the first FILE may do without. Nothing else can be had. srup is key service, broker
and server in one for devices of this machine that join simply, and with --state it still has them after a restart; joins that a
person or an observer confirms fail here: "otabench srup server" has the words for them. Certificate and key are those of
--keys or --seed (1) if none are given. Runs until SIGINT or SIGTERM, or for so many seconds.`,
  options: {
    version: { type: "string", value: "X.Y.Z", help: "of what is served, for systems that offer by version (2.0.0)" },
    sign: { type: "boolean", help: "sign the files with the package key of --keys or --seed" },
    host: { type: "string", value: "ADDRESS", help: "where to listen (loopback)" },
    port: {
      type: "string",
      value: "PORT",
      help: "where to listen; 0 for any free one (https 4443, rsu 4433, srup 8443, ssu 7400)",
    },
    cert: { type: "string", value: "FILE", help: "certificate to show, PEM" },
    key: { type: "string", value: "FILE", help: "its private key, PEM" },
    keys: { type: "string", value: "DIR", help: "use the keys of this folder" },
    seed: { type: "string", value: "SEED", help: "use keys made from this seed" },
    "device-ca": { type: "string", value: "FILE", help: "rsu: devices show a certificate that leads to this one, PEM" },
    "device-auth": { type: "string", value: "HOW", help: "with it: require, or request (devices may do without)" },
    state: { type: "string", value: "DIR", help: "srup: where keys, devices and numbers are kept; all new without" },
    signatures: {
      type: "string",
      value: "HOW",
      help: "srup: sign by rsa, ed25519 or ml-dsa-65 (rsa, or as in --state)",
    },
    tls12: { type: "boolean", help: "https: speak TLS 1.2 with ECDHE-RSA-AES256-GCM-SHA384 too" },
    for: { type: "string", value: "SECONDS", help: "end by itself after that time" },
    quiet: { type: "boolean", short: "q", help: "do not tell what happens" },
  },
  async run(args, io) {
    const [system, ...files] = args.positionals;
    if (system === undefined) throw new UsageError("the update system is missing");
    if (files.length === 0) throw new UsageError("the file to serve is missing");
    const json = flagOption(args, "json");
    const [certificate, key, keysDir, seed] = ["cert", "key", "keys", "seed"].map((name) => textOption(args, name));
    const port = textOption(args, "port");
    await untilSignal((stop) =>
      serve({
        system,
        files,
        certificate,
        key,
        keysDir,
        seed,
        stop,
        version: textOption(args, "version") ?? "2.0.0",
        sign: flagOption(args, "sign"),
        host: textOption(args, "host"),
        deviceCa: textOption(args, "device-ca"),
        deviceAuth: textOption(args, "device-auth"),
        state: textOption(args, "state"),
        signatures: signaturesWord(textOption(args, "signatures")),
        port: port === undefined ? undefined : portOf(port),
        tls12: flagOption(args, "tls12"),
        seconds: secondsOf(textOption(args, "for")),
        onOpen: (open) => io.stdout.write(json ? `${JSON.stringify({ open })}\n` : openText(open)),
        onEvent: (line) => {
          if (!flagOption(args, "quiet")) io.stdout.write(`${printable(line)}\n`);
        },
      }),
    );
    return ExitCode.Ok;
  },
});

function openText({ system, host, port, files }: ServerOpen): string {
  const list = files.map(({ name, size, signed }) => `          ${name}: ${size} bytes${signed ? ", signed" : ""}\n`);
  return `${system.padEnd(8)}  ${host}:${port}\n${list.join("")}`;
}
