import { describe, expect, it } from "vitest";
import type { HostAnswer, HttpRequest } from "../../../gateway/source/host-request.ts";
import { CompositeDriver } from "../../../hil/link/composite-driver.ts";
import type { HostDriver } from "../../../hil/link/host-driver.ts";

const request: HttpRequest = {
  kind: "http",
  method: "GET",
  url: "https://localhost/x",
  headers: {},
  ca: "",
  tlsMin: "1.3",
  bodyMax: 1,
};

function keptDriver(retransmissions: number | undefined): HostDriver & { readonly log: string[] } {
  const log: string[] = [];
  return {
    log,
    start: (id) => log.push(`start ${id}`),
    next: (id): Promise<HostAnswer> => {
      log.push(`next ${id}`);
      return Promise.resolve({ type: "end" });
    },
    abandon: (id) => log.push(`abandon ${id}`),
    retransmissions: () => retransmissions,
    close: () => {
      log.push("close");
      return Promise.resolve();
    },
  };
}

describe("the composite driver", () => {
  it("gives each request to the driver of its kind, which it makes once", async () => {
    const http = keptDriver(3);
    let made = 0;
    const makers = {
      http: () => {
        made++;
        return http;
      },
    };
    const driver = new CompositeDriver(makers);
    expect(driver.retransmissions()).toBeUndefined();
    driver.start(1, request);
    driver.start(2, request);
    expect(await driver.next(1)).toEqual({ type: "end" });
    driver.abandon(2);
    driver.abandon(2);
    await driver.close();
    expect(http.log).toEqual(["start 1", "start 2", "next 1", "abandon 2", "close"]);
    expect(made).toBe(1);
    expect(driver.retransmissions()).toBe(3);
  });

  it("refuses a kind that nobody carries out, a number in use, one that has ended, and anything once it is closed", async () => {
    expect(() => new CompositeDriver({}).start(1, request)).toThrow('requests of kind "http"');
    const driver = new CompositeDriver({ http: () => keptDriver(undefined) });
    driver.start(1, request);
    expect(() => driver.start(1, request)).toThrow("under way already");
    await driver.next(1);
    await expect(driver.next(1)).rejects.toThrow("not under way");
    expect(driver.retransmissions()).toBeUndefined();
    await driver.close();
    expect(() => driver.start(2, request)).toThrow("closed");
  });
});
