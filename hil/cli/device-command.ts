import { UsageError } from "../../emulator/kernel/errors.ts";
import type { Calendar } from "../device/calendar.ts";
import type { StepOptions, StepReport } from "../device/device.ts";
import { type DeviceSession, logIn, setUpDevice } from "../device/device-session.ts";
import type { ScryptCost } from "../device/password-hash.ts";
import { ROLE_NAMES, type Role } from "../device/roles.ts";
import { runSchedule } from "../device/run-schedule.ts";
import { scheduleText } from "../device/schedule.ts";
import { deviceConfig } from "../device/set-up.ts";
import { askNewPassword, askPassword, passwordFrom } from "./ask-password.ts";
import { type CommandArgs, type CommandIo, ExitCode, flagOption, textOption } from "./command.ts";
import { runDeviceMenu } from "./device-menu.ts";
import { logText, runText, statusText, stepText } from "./device-text.ts";
import { scheduleOf } from "./schedule-words.ts";
import type { Terminal } from "./terminal.ts";
import { beforeServer, transferNotices } from "./transfer.ts";
import { untilSignal } from "./until-signal.ts";
import { bytesOf, countOf, waitOf } from "./words.ts";

/** What the command has of the machine, besides its output. */
export interface DeviceParts {
  readonly calendar: Calendar;
  /** That of the product, if left out. */
  readonly scryptCost?: ScryptCost;
  /** @param output where prompts go */
  terminal(output: { write(text: string): unknown }): Terminal;
}

/** Everything that one action needs. */
interface Job {
  readonly args: CommandArgs;
  readonly io: CommandIo;
  readonly parts: DeviceParts;
  readonly terminal: Terminal;
  /** What stands behind the action. */
  readonly words: readonly string[];
}

type Action = (session: DeviceSession, job: Job) => Promise<number>;

const LOG_LINES = 1000;

/** @returns one of {@link ExitCode} @throws {BenchError} */
export async function runDevice(args: CommandArgs, io: CommandIo, parts: DeviceParts): Promise<number> {
  const [action, ...words] = args.positionals;
  if (action === undefined) throw new UsageError("the action is missing");
  const work = Object.hasOwn(ACTIONS, action) ? ACTIONS[action] : undefined;
  if (work === undefined && action !== "init")
    throw new UsageError(`there is no action "${action}", only init, ${Object.keys(ACTIONS).join(", ")}`);
  const terminal = parts.terminal(action === "menu" ? io.stdout : io.stderr);
  try {
    const job = { args, io, parts, terminal, words };
    if (work === undefined) return await init(job);
    return await work(await session(job), job);
  } finally {
    terminal.close();
  }
}

const ACTIONS: Readonly<Record<string, Action>> = {
  status: async (own, job) => tell(job, await own.status(), statusText),
  check: (own, job) => one(job, (options) => own.check(options)),
  download: (own, job) => one(job, (options) => own.download(options)),
  verify: (own, job) => one(job, () => own.verify()),
  apply: (own, job) => one(job, () => own.apply()),
  all: (own, job) =>
    beforeServer(job.args, job.io, async () => {
      const json = flagOption(job.args, "json");
      const say = (report: StepReport): void => void (json || job.io.stdout.write(`${stepText(report)}\n`));
      const steps = await untilSignal((stop) => own.all({ stop, ...transferNotices(job.args, job.io) }, say));
      if (json) job.io.stdout.write(`${JSON.stringify({ steps })}\n`);
      return exitCodeOf(steps.at(-1));
    }),
  schedule: async (own, job) => {
    const { jitter, zone } = { jitter: textOption(job.args, "jitter"), zone: textOption(job.args, "zone") };
    if (job.words.length > 0) await own.setSchedule(scheduleOf(job.words, { jitter, zone }));
    const { schedule } = await own.status();
    return tell(job, schedule, scheduleText);
  },
  run: async (own, job) => {
    const json = flagOption(job.args, "json");
    await untilSignal((stop) =>
      runSchedule(own, job.parts.calendar, stop, (run) => {
        job.io.stdout.write(`${json ? JSON.stringify(run) : runText(run)}\n`);
      }),
    );
    return ExitCode.Ok;
  },
  log: async (own, job) => {
    const check = await own.log(countOf(textOption(job.args, "last"), LOG_LINES));
    await tell(job, check, logText);
    return check.problems.length === 0 ? ExitCode.Ok : ExitCode.Failed;
  },
  users: (own, job) => users(own, job),
  menu: async (own, job) => {
    await runDeviceMenu(own, job.terminal, untilSignal, transferNotices(job.args, job.io));
    return ExitCode.Ok;
  },
};

function one(job: Job, work: (options: StepOptions) => Promise<StepReport>): Promise<number> {
  return beforeServer(job.args, job.io, async () => {
    const report = await untilSignal((stop) => work({ stop, ...transferNotices(job.args, job.io) }));
    await tell(job, report, stepText);
    return exitCodeOf(report);
  });
}

/** An update that ended in anything but the new software, or no need of it, has failed. */
const exitCodeOf = (report: StepReport | undefined): number =>
  report?.step === "apply" && report.verdict !== "updated" && report.verdict !== "upToDate"
    ? ExitCode.Failed
    : ExitCode.Ok;

async function tell<Result>({ args, io }: Job, result: Result, text: (result: Result) => string): Promise<number> {
  io.stdout.write(`${flagOption(args, "json") ? JSON.stringify(result) : text(result)}\n`);
  return ExitCode.Ok;
}

async function init({ args, io, parts, terminal, words }: Job): Promise<number> {
  const [system = "https", extra] = words;
  if (extra !== undefined) throw new UsageError(`"${extra}" is one argument too many`);
  const text = (name: string): string | undefined => textOption(args, name);
  const server = text("server");
  if (server === undefined) throw new UsageError("--server URL is missing");
  const config = deviceConfig({
    system,
    server,
    name: text("name"),
    ca: text("ca"),
    signer: text("signer"),
    certificate: text("cert"),
    key: text("key"),
    keysDir: text("keys"),
    seed: text("seed"),
    tls12: flagOption(args, "tls12"),
    wait: waitOf(text("wait")),
    sizeMax: bytesOf(text("max")),
    current: text("current"),
    target: text("target"),
    vehicle: text("vehicle"),
    ecu: text("ecu"),
    id: text("id"),
  });
  const name = text("user") ?? "admin";
  const file = text("password-file");
  const password = file === undefined ? await askNewPassword(terminal) : passwordFrom(file);
  const { calendar, scryptCost } = parts;
  const surroundings = { now: calendar.now, ...(scryptCost !== undefined && { scryptCost }) };
  await setUpDevice(stateOf(args), config, { name, password }, surroundings);
  io.stdout.write(`${stateOf(args)}: a device of ${config.source.server}; ${name} is admin\n`);
  return ExitCode.Ok;
}

async function session({ args, terminal, parts }: Job): Promise<DeviceSession> {
  const path = stateOf(args);
  const { calendar, scryptCost } = parts;
  const surroundings = { now: calendar.now, ...(scryptCost !== undefined && { scryptCost }) };
  const name = textOption(args, "user") ?? (await terminal.line("user: "))?.trim() ?? "";
  const file = textOption(args, "password-file");
  const password = file === undefined ? await askPassword(terminal, "password: ") : passwordFrom(file);
  return logIn(path, name, password, surroundings);
}

async function users(own: DeviceSession, job: Job): Promise<number> {
  const [what = "list", name = own.account.name, role] = job.words;
  const newPassword = async (): Promise<string> => {
    const file = textOption(job.args, "new-password-file");
    return file === undefined ? askNewPassword(job.terminal) : passwordFrom(file);
  };
  switch (what) {
    case "list":
      break;
    case "add":
      await own.addAccount(name, roleOf(role), await newPassword());
      break;
    case "remove":
      await own.removeAccount(name);
      break;
    case "role":
      await own.setRole(name, roleOf(role));
      break;
    case "password":
      await own.setPassword(name, await newPassword());
      if (!own.may("users")) return ExitCode.Ok;
      break;
    default:
      throw new UsageError(`"${what}" is none of list, add, remove, role, password`);
  }
  return tell(job, await own.accounts(), (list) =>
    list.map((each) => `${each.name.padEnd(16)}  ${each.role}`).join("\n"),
  );
}

function roleOf(text: string | undefined): Role {
  const role = ROLE_NAMES.find((name) => name === text);
  if (role === undefined) throw new UsageError(`the role is one of ${ROLE_NAMES.join(", ")}`);
  return role;
}

function stateOf(args: CommandArgs): string {
  const path = textOption(args, "state");
  if (path === undefined) throw new UsageError("--state DIR is missing");
  return path;
}
