import { expect, it } from "vitest";
import type { EcuConfig } from "../../../../emulator/ecu/config.ts";
import { type DataConfig, FAMILY_DATA } from "../../../../emulator/ecu/data-config.ts";
import { type Duration, ms } from "../../../../emulator/kernel/time.ts";
import type { UdsConfig } from "../../../../emulator/uds/config.ts";
import { EcuBench, image, smallEcu } from "./ecu-bench.ts";

type Session = "default" | "extended" | "programming";
interface Settings {
  readonly uds?: Partial<UdsConfig>;
  readonly data?: Partial<DataConfig>;
}

/** What is asked, in which session, with or without security access, and what comes back. */
type Row = readonly [title: string, session: Session, unlocked: boolean, request: string, response: string];

/** One test for each row. */
export const checkRows = (table: readonly Row[]): void => {
  it.each(table)("%s (%s, unlocked %s): %s -> %s", (_title, session, unlocked, request, response) => {
    expect(DataBench.in(session, unlocked).ask(request)).toBe(response);
  });
};

/** The ECU with its services of data, started. */
export class DataBench extends EcuBench {
  /** In the session that the test wants, unlocked if it says so. */
  static in(session: Session, unlocked = false, settings: Settings = {}): DataBench {
    const bench = new DataBench(configured(settings));
    bench.core.provision(image("1.0.0"));
    bench.powerOn();
    if (session !== "default") bench.ask("10 03");
    if (session === "programming") bench.ask("10 02");
    if (unlocked) bench.unlock();
    return bench;
  }

  /** Time goes by while the session is kept. */
  stayFor(span: Duration): void {
    const step = ms(1000);
    for (let left: number = span; left > 0; left -= step) {
      this.send("3e 80");
      this.after(Math.min(left, step) as Duration);
    }
  }
}

function configured({ uds = {}, data = {} }: Settings): EcuConfig {
  const config = smallEcu({ data: { ...FAMILY_DATA, ...data } });
  return { ...config, uds: { ...config.uds, ...uds } };
}
