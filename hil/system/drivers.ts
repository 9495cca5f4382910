import { CompositeDriver } from "../link/composite-driver.ts";
import type { HostDriver } from "../link/host-driver.ts";
import { HttpDriver } from "../link/http-driver.ts";
import { RsuDriver } from "../link/rsu/rsu-driver.ts";
import { SrupDriver } from "../link/srup/srup-driver.ts";
import { SsuDriver } from "../link/ssu/ssu-driver.ts";

/** Carries out whatever a vehicle may ask of the world outside. */
export const makeDriver = (): HostDriver =>
  new CompositeDriver({
    http: () => new HttpDriver(),
    rsu: () => new RsuDriver(),
    srup: () => new SrupDriver(),
    ssu: () => new SsuDriver(),
  });
