/** What each role may do. */
const ROLES = {
  admin: ["status", "check", "download", "verify", "apply", "log", "run", "schedule", "users"],
  user: ["status", "check", "download", "verify", "apply", "log", "run"],
  viewer: ["status", "log"],
} as const satisfies Readonly<Record<string, readonly string[]>>;

export type Role = keyof typeof ROLES;
export type Permission = (typeof ROLES)["admin"][number];

export const ROLE_NAMES = Object.keys(ROLES) as readonly Role[];

export const mayDo = (role: Role, what: Permission): boolean => (ROLES[role] as readonly Permission[]).includes(what);
