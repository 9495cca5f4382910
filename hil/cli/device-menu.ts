import { BenchError } from "../../emulator/kernel/errors.ts";
import type { StepOptions, StepReport } from "../device/device.ts";
import type { DeviceSession } from "../device/device-session.ts";
import { type Permission, ROLE_NAMES, type Role } from "../device/roles.ts";
import { scheduleText } from "../device/schedule.ts";
import { askNewPassword } from "./ask-password.ts";
import { logText, statusText, stepText } from "./device-text.ts";
import { scheduleOf } from "./schedule-words.ts";
import type { Terminal } from "./terminal.ts";
import type { TransferNotices } from "./transfer.ts";

/** Runs one thing so that ^C ends that thing and not the menu. */
export type Interruptible = <Result>(work: (stop: AbortSignal) => Promise<Result>) => Promise<Result>;

interface Entry {
  readonly word: string;
  readonly about: string;
  readonly need: Permission;
  run(menu: Menu): Promise<void>;
}

const LOG_LINES = 20;

const step = (work: (session: DeviceSession, options: StepOptions) => Promise<StepReport>) => (menu: Menu) =>
  menu.interruptible(async (stop) => menu.say(stepText(await work(menu.session, { stop, ...menu.notices }))));

const ENTRIES: readonly Entry[] = [
  {
    word: "check",
    about: "ask the server",
    need: "check",
    run: step((session, options) => session.check(options)),
  },
  {
    word: "download",
    about: "fetch what it has",
    need: "download",
    run: step((session, options) => session.download(options)),
  },
  { word: "verify", about: "check what was fetched", need: "verify", run: step((session) => session.verify()) },
  { word: "apply", about: "install it", need: "apply", run: step((session) => session.apply()) },
  {
    word: "all",
    about: "all four at once",
    need: "apply",
    run: (menu) =>
      menu.interruptible(async (stop) => {
        await menu.session.all({ stop, ...menu.notices }, (report) => menu.say(stepText(report)));
      }),
  },
  { word: "schedule", about: "when to do all by itself", need: "schedule", run: (menu) => menu.schedule() },
  {
    word: "log",
    about: "what was done",
    need: "log",
    run: async (menu) => menu.say(logText(await menu.session.log(LOG_LINES))),
  },
  { word: "users", about: "accounts", need: "users", run: (menu) => menu.users() },
  { word: "password", about: "change the own one", need: "status", run: (menu) => menu.ownPassword() },
  {
    word: "status",
    about: "how things are",
    need: "status",
    run: async (menu) => menu.say(statusText(await menu.session.status())),
  },
];

/**
 * The menu of one device for one account: what the role does not allow is not there. Ends with "quit", or when the input
 * ends.
 */
export async function runDeviceMenu(
  session: DeviceSession,
  terminal: Terminal,
  interruptible: Interruptible,
  notices: TransferNotices,
): Promise<void> {
  const menu = new Menu(session, terminal, interruptible, notices);
  menu.say(statusText(await session.status()));
  const entries = ENTRIES.filter(({ need }) => session.may(need));
  const list = entries.map(({ word, about }, index) => `${String(index + 1).padStart(3)}  ${word.padEnd(9)}  ${about}`);
  for (;;) {
    menu.say(`\n${list.join("\n")}\n  0  quit`);
    const answer = (await terminal.line(`${session.account.name}> `))?.trim().toLowerCase();
    if (answer === undefined || answer === "0" || answer === "quit" || answer === "q") return;
    const entry = entries.find(({ word }, index) => answer === word || answer === String(index + 1));
    if (entry === undefined) {
      if (answer !== "") menu.say("there is nothing of that name here");
      continue;
    }
    await menu.try(entry);
  }
}

class Menu {
  readonly session: DeviceSession;
  readonly interruptible: Interruptible;
  readonly notices: TransferNotices;
  readonly #terminal: Terminal;

  constructor(session: DeviceSession, terminal: Terminal, interruptible: Interruptible, notices: TransferNotices) {
    this.session = session;
    this.#terminal = terminal;
    this.interruptible = interruptible;
    this.notices = notices;
  }

  say(text: string): void {
    this.#terminal.write(`${text}\n`);
  }

  /** What goes wrong is told, and the menu goes on. */
  async try(entry: Entry): Promise<void> {
    try {
      await entry.run(this);
    } catch (error) {
      if (!(error instanceof BenchError)) throw error;
      this.say(`${error.code}: ${error.message}`);
    }
  }

  async schedule(): Promise<void> {
    this.say(`now: ${scheduleText(this.session.schedule())}`);
    const words = await this.#terminal.line("off, daily HH:MM, or five fields of cron (nothing: as it is): ");
    if (words === undefined || words.trim() === "") return;
    const jitter = await this.#terminal.line("up to how many seconds later (0): ");
    const zone = await this.#terminal.line("time zone (UTC): ");
    await this.session.setSchedule(
      scheduleOf(words.trim().split(/\s+/), { jitter: jitter?.trim() || undefined, zone: zone?.trim() || undefined }),
    );
    this.say(`now: ${scheduleText(this.session.schedule())}`);
  }

  async users(): Promise<void> {
    for (const { name, role } of await this.session.accounts()) this.say(`  ${name.padEnd(16)}  ${role}`);
    const words = await this.#terminal.line(
      "add NAME ROLE, remove NAME, role NAME ROLE, password NAME (nothing: back): ",
    );
    const [what = "", name = "", role = ""] = (words ?? "").trim().split(/\s+/);
    switch (what) {
      case "":
        return;
      case "add":
        return this.#withRole(role, async (checked) =>
          this.session.addAccount(name, checked, await this.#newPassword()),
        );
      case "role":
        return this.#withRole(role, (checked) => this.session.setRole(name, checked));
      case "remove":
        return this.session.removeAccount(name);
      case "password":
        return this.session.setPassword(name, await this.#newPassword());
      default:
        this.say("there is nothing of that name here");
    }
  }

  async ownPassword(): Promise<void> {
    await this.session.setPassword(this.session.account.name, await this.#newPassword());
  }

  async #withRole(role: string, work: (role: Role) => Promise<void>): Promise<void> {
    const known = ROLE_NAMES.find((name) => name === role);
    if (known === undefined) this.say(`the roles are ${ROLE_NAMES.join(", ")}`);
    else await work(known);
  }

  #newPassword(): Promise<string> {
    return askNewPassword(this.#terminal);
  }
}
