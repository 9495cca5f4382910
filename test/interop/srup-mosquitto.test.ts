import { createPrivateKey } from "node:crypto";
import { expect, it } from "vitest";
import type { SrupRequest } from "../../gateway/source/host-request.ts";
import { isLastAnswer } from "../../hil/link/host-driver.ts";
import { SrupDriver } from "../../hil/link/srup/srup-driver.ts";
import type { SrupServerEvent } from "../../hil/server/srup/c2-server.ts";
import { SrupNetwork } from "../../hil/server/srup/srup-network.ts";
import { ShownValues } from "../../hil/system/shown-values.ts";
import { pemOf } from "../gateway/source/srup/vectors.ts";
import { describeWithJudge } from "../support/judges.ts";
import { startMosquitto } from "./support/mosquitto.ts";

const key = createPrivateKey(pemOf("keys/observer.pem"));
const makeKey = (): typeof key => key;
const FILE = new Uint8Array(200_000).fill(7);

describeWithJudge("mosquitto", "SRUP over mosquitto with TLS and client certificates", () => {
  it("joins with a person in the loop, updates, activates and reports", async () => {
    const shown = new ShownValues();
    const events: SrupServerEvent[] = [];
    const network = await SrupNetwork.start({
      operator: shown.operator("honest"),
      startBroker: startMosquitto,
      makeKey,
      onEvent: (event) => events.push(event),
    });
    const driver = new SrupDriver({ makeKey, onJoinValue: (device, value) => shown.show(device, value) });
    const request: SrupRequest = {
      kind: "srup",
      method: "fetch",
      url: `http://localhost:${network.keyService.port}`,
      device: "vehicle",
      join: "human",
      identification: "a vehicle",
      waitMs: 10_000,
      patienceMs: 10_000,
      ca: "",
      bodyMax: 1 << 24,
    };
    try {
      network.publish(FILE);
      const bodies: Uint8Array[] = [];
      driver.start(0, request);
      for (let answer = await driver.next(0); !isLastAnswer(answer); answer = await driver.next(0)) {
        if (answer.type === "body") bodies.push(answer.data);
      }
      expect(Buffer.concat(bodies).equals(FILE)).toBe(true);
      driver.start(1, { ...request, method: "report", verdict: "updated" });
      while (!isLastAnswer(await driver.next(1)));
      await expect.poll(() => events.filter(({ type }) => type === "response").length).toBe(2);
    } finally {
      await driver.close();
      await network.close();
    }
    const told = events.map(({ type }) => type);
    expect(told.filter((type) => type !== "lookUpType")).toEqual([
      "joinRequested",
      "joinValue",
      "joinEnded",
      "initiated",
      "response",
      "updateReady",
      "response",
    ]);
  });
});
