import { createHash } from "node:crypto";
import { z } from "zod";
import { DeviceError } from "./device-error.ts";
import { hashPassword, isPassword, SCRYPT_COST, type ScryptCost } from "./password-hash.ts";
import { ROLE_NAMES, type Role } from "./roles.ts";
import type { StateFolder } from "./state-folder.ts";

const FILE = "users.json";
const ACCOUNTS_MAX = 256;
const PASSWORD_MIN = 8;
const PASSWORD_MAX = 256;
/** So many wrong passwords are free; then the delay doubles with each further one. */
const FREE_TRIES = 3;
const FIRST_DELAY_MS = 30_000;
const DELAY_MAX_MS = 3_600_000;
/** Names that nobody has share so many counters, so that guessing names fills no file. */
const STRANGERS = 64;

const schema = z.strictObject({
  format: z.literal(1),
  users: z.array(z.strictObject({ name: z.string(), role: z.enum(ROLE_NAMES), hash: z.string() })).max(ACCOUNTS_MAX),
  /** Wrong passwords since the last right one, and when the last of them was, Unix milliseconds. */
  wrong: z.record(z.string(), z.strictObject({ count: z.int().min(1), at: z.int() })),
});

type AccountFile = z.infer<typeof schema>;

export interface Account {
  readonly name: string;
  readonly role: Role;
}

/** Who may use a device. */
export class Accounts {
  readonly #folder: StateFolder;
  readonly #now: () => Date;
  readonly #cost: ScryptCost;

  constructor(folder: StateFolder, now: () => Date, cost: ScryptCost = SCRYPT_COST) {
    this.#folder = folder;
    this.#now = now;
    this.#cost = cost;
  }

  list(): readonly Account[] {
    return this.#read().users.map(({ name, role }) => ({ name, role }));
  }

  /**
   * A try is counted before the password is looked at: ending the process does not make it undone.
   * @throws {DeviceError} LOGIN_WRONG, LOGIN_LOCKED
   */
  login(name: string, password: string): Promise<Account> {
    return this.#folder.inTurn("users", async () => {
      const file = this.#read();
      const user = file.users.find((each) => each.name === name);
      const key = user === undefined ? strangerKey(name) : name;
      const now = this.#now().getTime();
      const wrong = { ...file.wrong, [key]: { count: this.#triesBefore(file, key, now) + 1, at: now } };
      this.#write({ ...file, wrong });
      // whoever is not there takes as long as whoever is
      const isRight = await isPassword(password, user?.hash ?? nobodysHash(this.#cost));
      if (!isRight || user === undefined) throw new DeviceError("LOGIN_WRONG", "no such account, or another password");
      const { [key]: _, ...others } = wrong;
      this.#write({ ...file, wrong: others });
      return { name: user.name, role: user.role };
    });
  }

  /** @throws {DeviceError} ACCOUNT_INVALID */
  add(name: string, role: Role, password: string): Promise<void> {
    return this.#change(async (users) => {
      if (!/^[a-z][a-z0-9._-]{0,31}$/.test(name)) throw invalid(`"${name}" is no name of an account`);
      if (users.some((each) => each.name === name)) throw invalid(`there is an account "${name}" already`);
      if (users.length >= ACCOUNTS_MAX) throw invalid(`there are ${ACCOUNTS_MAX} accounts already`);
      return [...users, { name, role, hash: await this.#hash(password) }];
    });
  }

  /** @throws {DeviceError} ACCOUNT_INVALID */
  remove(name: string): Promise<void> {
    return this.#change((users) => users.filter((each) => each !== found(users, name)));
  }

  /** @throws {DeviceError} ACCOUNT_INVALID */
  setRole(name: string, role: Role): Promise<void> {
    return this.#change((users) => replaced(users, { ...found(users, name), role }));
  }

  /** @throws {DeviceError} ACCOUNT_INVALID */
  setPassword(name: string, password: string): Promise<void> {
    return this.#change(async (users) => replaced(users, { ...found(users, name), hash: await this.#hash(password) }));
  }

  /** Wrong ones in a row. @throws {DeviceError} LOGIN_LOCKED */
  #triesBefore(file: AccountFile, key: string, now: number): number {
    const before = Object.hasOwn(file.wrong, key) ? file.wrong[key] : undefined;
    if (before === undefined) return 0;
    const delay = lockDelayMs(before.count);
    // a clock that was set back does not lock for longer than the delay
    if (before.at > now) this.#write({ ...file, wrong: { ...file.wrong, [key]: { ...before, at: now } } });
    const left = Math.min(before.at + delay - now, delay);
    if (left > 0) {
      const message = `too many wrong passwords; the next one is looked at in ${Math.ceil(left / 1000)} s`;
      throw new DeviceError("LOGIN_LOCKED", message);
    }
    return before.count;
  }

  #change(work: (users: AccountFile["users"]) => AccountFile["users"] | Promise<AccountFile["users"]>): Promise<void> {
    return this.#folder.inTurn("users", async () => {
      const file = this.#read();
      const users = await work(file.users);
      if (!users.some(({ role }) => role === "admin")) throw invalid("somebody has to be admin");
      const names = new Set(users.map(({ name }) => name));
      const wrong = Object.fromEntries(
        Object.entries(file.wrong).filter(([key]) => names.has(key) || key.startsWith("?")),
      );
      this.#write({ ...file, users, wrong });
    });
  }

  #hash(password: string): Promise<string> {
    const { length } = password;
    if (length < PASSWORD_MIN) throw invalid(`a password has ${PASSWORD_MIN} characters at least`);
    if (length > PASSWORD_MAX) throw invalid(`a password has ${PASSWORD_MAX} characters at most`);
    return hashPassword(password, this.#cost);
  }

  #read(): AccountFile {
    return this.#folder.read(FILE, schema) ?? { format: 1, users: [], wrong: {} };
  }

  #write(file: AccountFile): void {
    this.#folder.write(FILE, file);
  }
}

/** How long no password is looked at after so many wrong ones, milliseconds. */
const lockDelayMs = (wrong: number): number =>
  wrong < FREE_TRIES ? 0 : Math.min(FIRST_DELAY_MS * 2 ** Math.min(wrong - FREE_TRIES, 30), DELAY_MAX_MS);

const strangerKey = (name: string): string =>
  `?${(createHash("sha256").update(name).digest()[0] as number) % STRANGERS}`;

const nobodysHash = ({ ln, r, p }: ScryptCost): string =>
  `$scrypt$ln=${ln},r=${r},p=${p}$${"A".repeat(22)}$${"A".repeat(43)}`;

function found(users: AccountFile["users"], name: string): AccountFile["users"][number] {
  const user = users.find((each) => each.name === name);
  if (user === undefined) throw invalid(`there is no account "${name}"`);
  return user;
}

const replaced = (users: AccountFile["users"], by: AccountFile["users"][number]): AccountFile["users"] =>
  users.map((each) => (each.name === by.name ? by : each));

const invalid = (message: string): DeviceError => new DeviceError("ACCOUNT_INVALID", message);
