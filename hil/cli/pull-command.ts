import { UsageError } from "../../emulator/kernel/errors.ts";
import { printable } from "../link/printable.ts";
import type { PullRun, PullRunOptions, PullRunReport } from "../system/pull-run.ts";
import { type Command, type CommandArgs, type CommandIo, ExitCode, flagOption, textOption } from "./command.ts";
import { beforeServer, transferNotices } from "./transfer.ts";
import { untilSignal } from "./until-signal.ts";
import { bytesOf, signaturesWord, waitOf } from "./words.ts";

/** @param pullRun what does the work */
export const pullCommand = (pullRun: PullRun): Command => ({
  name: "pull",
  summary: "pull a file as a device of one update system does, from anybody's server",
  operands: "SYSTEM --server URL --out FILE",
  details: `
SYSTEM is https, rsu, srup or ssu. Looks, fetches, checks the signature, and writes FILE, with its signature in FILE.sig. A pull that
was cut off leaves FILE.part behind, and the next one goes on there. With --vehicle the file is installed in that virtual
vehicle afterwards. Whoever is trusted must be named: --ca for the server, --signer for the file, or both by --keys or
--seed; --unsigned takes a file from a server that has no signatures.`,
  options: {
    server: {
      type: "string",
      value: "URL",
      help: "https://, rsu:// or ssu://HOST:PORT, or HOST:PORT; srup: http(s)://HOST:PORT of the key service",
    },
    out: { type: "string", short: "o", value: "FILE", help: "file to write" },
    name: { type: "string", value: "NAME", help: "what to ask for: a path (https), a target (rsu) or a file (ssu)" },
    ca: { type: "string", value: "FILE", help: "the certificate that the server's must lead to, PEM" },
    signer: { type: "string", value: "FILE", help: "the public key that the file must be signed with, PEM" },
    unsigned: { type: "boolean", help: "take the file whoever signed it, or nobody" },
    keys: { type: "string", value: "DIR", help: "trust the CA and the package key of this folder" },
    seed: { type: "string", value: "SEED", help: "trust those made from this seed" },
    cert: { type: "string", value: "FILE", help: "certificate to show if the server asks for one, PEM" },
    key: { type: "string", value: "FILE", help: "its private key, PEM" },
    current: { type: "string", value: "X.Y.Z", help: "version that the device says it has (0.0.0)" },
    wait: { type: "string", value: "SECONDS", help: "rsu, srup: let the server announce what comes within that time" },
    join: { type: "string", value: "HOW", help: "srup: simple, human or observed (simple)" },
    observer: { type: "string", value: "ID", help: "srup: with --join observed, who confirms it" },
    signatures: {
      type: "string",
      value: "HOW",
      help: "srup: sign by rsa, ed25519 or ml-dsa-65 (rsa, or as in --state)",
    },
    state: { type: "string", value: "DIR", help: "srup: where the device's identity is kept; a new one without" },
    max: { type: "string", value: "BYTES", help: "the longest file that is taken (67108864)" },
    tls12: { type: "boolean", help: "https: take TLS 1.2 with ECDHE-RSA-AES256-GCM-SHA384 too" },
    vehicle: { type: "string", value: "VEHICLE", help: "install it in this virtual vehicle" },
    ecu: { type: "string", value: "ECU", help: "with --vehicle: whom an image without a package is for" },
    quiet: { type: "boolean", short: "q", help: "no progress" },
  },
  run: (args, io) =>
    beforeServer(args, io, async () => {
      const report = await untilSignal((stop) => pullRun(optionsOf(args, io, stop)));
      io.stdout.write(flagOption(args, "json") ? `${JSON.stringify(report, undefined, 2)}\n` : reportText(report));
      const verdict = report.installed?.verdict ?? "updated";
      return verdict === "updated" || verdict === "upToDate" ? ExitCode.Ok : ExitCode.Failed;
    }),
});

function optionsOf(args: CommandArgs, io: CommandIo, stop: AbortSignal): PullRunOptions {
  const [system, extra] = args.positionals;
  if (system === undefined) throw new UsageError("the update system is missing");
  if (extra !== undefined) throw new UsageError(`"${extra}" is one argument too many`);
  const text = (name: string): string | undefined => textOption(args, name);
  const [server, out, vehicle, keysDir, seed] = ["server", "out", "vehicle", "keys", "seed"].map(text);
  if (server === undefined) throw new UsageError("--server URL is missing");
  if (out === undefined && vehicle === undefined) throw new UsageError("--out FILE or --vehicle VEHICLE is missing");
  const hasKeys = keysDir !== undefined || seed !== undefined;
  const isPlain = system === "srup" && server.startsWith("http:");
  if (!hasKeys && !isPlain && text("ca") === undefined)
    throw new UsageError("--ca FILE is missing: no server is trusted");
  const unsigned = flagOption(args, "unsigned");
  if (!hasKeys && !unsigned && text("signer") === undefined)
    throw new UsageError("--signer FILE is missing: nobody's signature counts; --unsigned does without");
  const [name, ca, signer, certificate, key, current, ecu] = [
    "name",
    "ca",
    "signer",
    "cert",
    "key",
    "current",
    "ecu",
  ].map(text);
  return {
    system,
    server,
    out,
    vehicle,
    keysDir,
    seed,
    unsigned,
    name,
    ca,
    signer,
    certificate,
    key,
    current,
    ecu,
    wait: waitOf(text("wait")),
    join: text("join"),
    observer: text("observer"),
    signatures: signaturesWord(text("signatures")),
    state: text("state"),
    sizeMax: bytesOf(text("max")),
    tls12: flagOption(args, "tls12"),
    stop,
    ...transferNotices(args, io),
    onShow: (value) => io.stderr.write(`shows     ${value}\n`),
  };
}

function reportText(report: PullRunReport): string {
  const { system, peer, verdict, bytes, ms, retransmissions, from, file, size, sha256, verified, installed } = report;
  const again = retransmissions === null ? "" : `, ${retransmissions} retransmissions`;
  const start = from === 0 ? "" : ` from byte ${from} on`;
  const lines = [`source    ${system} ${peer}: ${bytes} bytes${start}${again}, ${(ms / 1000).toFixed(2)} s`];
  if (verdict === "upToDate") lines.push("the server has nothing newer");
  else lines.push(`file      ${file}: ${size} bytes, ${verified ? "signed as it must be" : "signature not checked"}`);
  if (sha256 !== undefined) lines.push(`sha256    ${sha256}`);
  for (const { ecu, before, after, verdict: came } of installed?.ecus ?? [])
    lines.push(`${ecu.padEnd(8)}  ${before ?? "-"} -> ${after ?? "-"}  ${came}`);
  if (installed !== undefined) {
    const why = installed.code === undefined ? "" : ` (${installed.code}: ${installed.reason})`;
    lines.push(`verdict   ${installed.verdict}${why}`);
  }
  return `${lines.map(printable).join("\n")}\n`;
}
