import { ssuIdentity, ssuTrust } from "../../hil/crypto/ssu-credentials.ts";
import { testTls } from "../support/https-client.ts";
import { linkLimit, mathis, type Transfer, transferOverLink } from "../support/ssu-goodput.ts";
import { printTable } from "./table.ts";

/** One line of the third table of `npm run bench`: 8 MiB by ssu over a simulated link that loses datagrams. */
export interface LossyRow {
  readonly name: string;
  /** Chance of each datagram, either way. */
  readonly loss: number;
  readonly isSecure: boolean;
}

const SEEDS = [1, 2, 3, 4, 5];

export const lossyRows: readonly LossyRow[] = [false, true].flatMap((isSecure) =>
  [0, 0.001, 0.01, 0.05].map((loss) => ({
    name: `ssu, ${isSecure ? "secure" : "plaintext"}, 50 ms, 10 Mbit/s, ${loss * 100} % lost`,
    loss,
    isSecure,
  })),
);

/** In virtual time, so that the machine has no say in it; the mean of five seeds. */
export function benchLossyLink(rows: readonly LossyRow[]): void {
  const table = [["", "8 MiB in", "goodput", "sent again", "link's limit", "Mathis", "of the lesser one"]];
  for (const { name, loss, isSecure } of rows) {
    const seeds = loss === 0 ? SEEDS.slice(0, 1) : SEEDS;
    const runs = seeds.map((seed) => transfer(loss, seed, isSecure));
    const mean = (value: (run: Transfer) => number): number =>
      runs.reduce((sum, run) => sum + value(run), 0) / runs.length;
    const goodput = mean((run) => run.goodput);
    const limit = linkLimit(isSecure);
    const formula = loss === 0 ? Number.POSITIVE_INFINITY : mathis(loss, isSecure);
    table.push([
      name,
      `${mean((run) => run.seconds).toFixed(1)} s`,
      megabits(goodput),
      `${(mean((run) => run.resent / run.sent) * 100).toFixed(1)} %`,
      megabits(limit),
      loss === 0 ? "" : megabits(formula),
      `${((goodput / Math.min(limit, formula)) * 100).toFixed(0)} %`,
    ]);
  }
  printTable(table);
}

function transfer(loss: number, seed: number, isSecure: boolean): Transfer {
  if (!isSecure) return transferOverLink(loss, seed);
  const { certificate, privateKey, ca } = testTls();
  const client = { security: 1, trust: ssuTrust({ ca }), serverName: "localhost" } as const;
  return transferOverLink(loss, seed, client, { identity: ssuIdentity(certificate, privateKey) });
}

const megabits = (bitsPerSecond: number): string => `${(bitsPerSecond / 1e6).toFixed(2)} Mbit/s`;
