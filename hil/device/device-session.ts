import { z } from "zod";
import { BenchError, LinkError } from "../../emulator/kernel/errors.ts";
import { type Account, Accounts } from "./accounts.ts";
import { type AuditCheck, AuditLog, type AuditRecord } from "./audit-log.ts";
import { Device, type DeviceStatus, type StepOptions, type StepReport } from "./device.ts";
import { type DeviceConfig, writeConfig } from "./device-config.ts";
import { DeviceError } from "./device-error.ts";
import type { ScryptCost } from "./password-hash.ts";
import { mayDo, type Permission, type Role } from "./roles.ts";
import { checkedSchedule, type Schedule, scheduleSchema } from "./schedule.ts";
import { StateFolder } from "./state-folder.ts";

const SCHEDULE = "schedule.json";
const PLAN = "plan.json";
const planSchema = z.strictObject({ due: z.iso.datetime() });

/** What a device has of the machine it runs on. */
export interface DeviceSurroundings {
  readonly now: () => Date;
  /** That of {@link hashPassword}, if left out. */
  readonly scryptCost?: ScryptCost;
}

type Detail = AuditRecord["detail"];

/** Sets a device up, with its first account, who is admin. @throws {DeviceError} STATE_EXISTS, ACCOUNT_INVALID */
export async function setUpDevice(
  path: string,
  config: DeviceConfig,
  admin: { readonly name: string; readonly password: string },
  { now, scryptCost }: DeviceSurroundings,
): Promise<void> {
  const folder = new StateFolder(path);
  folder.make();
  const accounts = new Accounts(folder, now, scryptCost);
  // the settings come last: without them the folder is no device's, and the same again goes through
  if (folder.has("device.json")) throw new DeviceError("STATE_EXISTS", `${path} is the folder of a device already`);
  if (accounts.list().length === 0) await accounts.add(admin.name, "admin", admin.password);
  else await accounts.setPassword(admin.name, admin.password);
  writeConfig(folder, config);
  const detail = { system: config.source.system, server: config.source.server, target: config.target.path };
  await new AuditLog(folder, now).append({ user: admin.name, event: "device.setUp", outcome: "ok", detail });
}

/** @throws {DeviceError} LOGIN_WRONG, LOGIN_LOCKED, STATE_MISSING, STATE_DAMAGED */
export async function logIn(
  path: string,
  name: string,
  password: string,
  surroundings: DeviceSurroundings,
): Promise<DeviceSession> {
  const { now, scryptCost } = surroundings;
  const folder = new StateFolder(path);
  const device = new Device(folder, now);
  const log = new AuditLog(folder, now);
  try {
    const account = await new Accounts(folder, now, scryptCost).login(name, password);
    await log.append({ user: name, event: "login", outcome: "ok" });
    return new DeviceSession(folder, device, account, surroundings);
  } catch (error) {
    if (error instanceof DeviceError) await log.append({ user: name, event: "login", outcome: error.code });
    throw error;
  }
}

/** What one account does with a device: everything is allowed by its role or refused, and written into the audit log. */
export class DeviceSession {
  readonly account: Account;
  readonly #folder: StateFolder;
  readonly #device: Device;
  readonly #accounts: Accounts;
  readonly #log: AuditLog;
  readonly #now: () => Date;

  constructor(folder: StateFolder, device: Device, account: Account, { now, scryptCost }: DeviceSurroundings) {
    this.account = account;
    this.#folder = folder;
    this.#device = device;
    this.#now = now;
    this.#accounts = new Accounts(folder, now, scryptCost);
    this.#log = new AuditLog(folder, now);
  }

  may(what: Permission): boolean {
    return mayDo(this.account.role, what);
  }

  async status(): Promise<DeviceStatus & { readonly schedule: Schedule; readonly due: Date | undefined }> {
    await this.#need("status", "status");
    return { ...this.#device.status(), schedule: this.schedule(), due: this.due() };
  }

  check(options: StepOptions = {}): Promise<StepReport> {
    return this.#do("check", "check", stepDetail, () => this.#device.check(options));
  }

  download(options: StepOptions = {}): Promise<StepReport> {
    return this.#do("download", "download", stepDetail, () => this.#device.download(options));
  }

  verify(): Promise<StepReport> {
    return this.#do("verify", "verify", stepDetail, () => this.#device.verify());
  }

  /** Its beginning is in the log too: it is there when the power goes in the middle. */
  async apply(): Promise<StepReport> {
    await this.#need("apply", "apply");
    await this.#note("apply.begin", "ok");
    return this.#do("apply", "apply", stepDetail, () => this.#device.apply());
  }

  /** Check, download, verify, apply; ends where there is nothing to do, or something fails. */
  async all(options: StepOptions = {}, told: (report: StepReport) => void = () => {}): Promise<readonly StepReport[]> {
    const steps = [
      () => this.check(options),
      () => this.download(options),
      () => this.verify(),
      () => this.apply(),
    ] as const;
    const reports: StepReport[] = [];
    for (const step of steps) {
      if (options.stop?.aborted === true) throw new LinkError("PULL_STOPPED", "the update was stopped");
      const report = await step();
      reports.push(report);
      told(report);
      if (report.verdict === "upToDate") break;
    }
    return reports;
  }

  schedule(): Schedule {
    return this.#folder.read(SCHEDULE, scheduleSchema) ?? { kind: "off" };
  }

  /** @throws {DeviceError} SCHEDULE_INVALID */
  setSchedule(told: Parameters<typeof checkedSchedule>[0]): Promise<void> {
    return this.#do(
      "schedule",
      "schedule.set",
      () => ({ schedule: JSON.stringify(told) }),
      async () => {
        this.#folder.write(SCHEDULE, checkedSchedule(told));
        this.setDue(undefined);
      },
    );
  }

  /** When the next scheduled run is, as it was planned. */
  due(): Date | undefined {
    const plan = this.#folder.read(PLAN, planSchema.nullable());
    return plan === undefined || plan === null ? undefined : new Date(plan.due);
  }

  setDue(due: Date | undefined): void {
    this.#folder.write(PLAN, due === undefined ? null : { due: due.toISOString() });
  }

  /** What makes the jitter of this device its own. */
  get seed(): string {
    return this.#device.config.id;
  }

  now(): Date {
    return this.#now();
  }

  /** Allowed to let the device work by its schedule. @throws {DeviceError} ACTION_FORBIDDEN */
  async mayRun(): Promise<void> {
    await this.#need("run", "schedule.run");
  }

  /** @param last how many records */
  async log(last: number): Promise<AuditCheck> {
    await this.#need("log", "log");
    return this.#log.check(last);
  }

  async accounts(): Promise<readonly Account[]> {
    await this.#need("users", "users");
    return this.#accounts.list();
  }

  addAccount(name: string, role: Role, password: string): Promise<void> {
    return this.#do(
      "users",
      "users.add",
      () => ({ name, role }),
      () => this.#accounts.add(name, role, password),
    );
  }

  removeAccount(name: string): Promise<void> {
    return this.#do(
      "users",
      "users.remove",
      () => ({ name }),
      () => this.#accounts.remove(name),
    );
  }

  setRole(name: string, role: Role): Promise<void> {
    return this.#do(
      "users",
      "users.role",
      () => ({ name, role }),
      () => this.#accounts.setRole(name, role),
    );
  }

  /** Everybody may change the own one. */
  setPassword(name: string, password: string): Promise<void> {
    const need = name === this.account.name ? "status" : "users";
    return this.#do(
      need,
      "users.password",
      () => ({ name }),
      () => this.#accounts.setPassword(name, password),
    );
  }

  async note(event: string, outcome: string, detail?: Detail): Promise<void> {
    await this.#note(event, outcome, detail);
  }

  async #do<Result>(
    need: Permission,
    event: string,
    detailOf: (result: Result) => Detail,
    work: () => Promise<Result>,
  ): Promise<Result> {
    await this.#need(need, event);
    try {
      const result = await work();
      await this.#note(event, "ok", detailOf(result));
      return result;
    } catch (error) {
      if (error instanceof BenchError) await this.#note(event, error.code, { reason: error.message });
      throw error;
    }
  }

  async #need(what: Permission, event: string): Promise<void> {
    if (this.may(what)) return;
    await this.#note(event, "ACTION_FORBIDDEN");
    throw new DeviceError("ACTION_FORBIDDEN", `${this.account.role} ${this.account.name} may not do that`);
  }

  #note(event: string, outcome: string, detail: Detail = {}): Promise<void> {
    return this.#log.append({ user: this.account.name, event, outcome, detail });
  }
}

function stepDetail(report: StepReport): Detail {
  const { step: _, ...fields } = report;
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [name, typeof value === "object" ? JSON.stringify(value) : value]),
  ) as Detail;
}
