import { createPrivateKey } from "node:crypto";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { MqttLink } from "../../../../hil/link/srup/mqtt-link.ts";
import { StateFile } from "../../../../hil/record/state-file.ts";
import { type Broker, startBroker } from "../../../../hil/server/srup/broker.ts";
import { KeyServiceState } from "../../../../hil/server/srup/key-service-state.ts";
import { pemOf } from "../../../gateway/source/srup/vectors.ts";

const DEVICE = "1a2b3c4d5e6f7081";
const INTRUDER = "7f3c9a1e55d20b68";
const pem = pemOf("keys/observer.pem");
const key = createPrivateKey(pem);

describe("the broker of SRUP", () => {
  const state = new KeyServiceState(new StateFile(), () => key);
  let broker: Broker;
  let links: MqttLink[] = [];
  beforeEach(async () => {
    broker = await startBroker({
      certificate: state.brokerCertificate(key, {}),
      privateKey: key.export({ format: "pem", type: "pkcs8" }) as string,
      ca: state.authority,
    });
  });
  afterEach(async () => {
    for (const link of links) await link.close(true);
    links = [];
    await broker.close();
  });

  /** @returns what happened to the connection, as it happens */
  function connect(name: string, certified: string): string[] {
    const told: string[] = [];
    const access = {
      broker: `mqtt://localhost:${broker.port}`,
      certificate: state.clientCertificate(certified, pem),
      privateKey: pem,
      ca: state.authority,
    };
    const events = {
      connected: () => void told.push("connected"),
      message: () => {},
      lost: () => void told.push("lost"),
    };
    links.push(new MqttLink(name, access, events));
    return told;
  }

  it("lets nobody in under another party's name, who would push that one off", async () => {
    const device = connect(DEVICE, DEVICE);
    await expect.poll(() => device).toEqual(["connected"]);
    const intruder = connect(DEVICE, INTRUDER);
    await expect.poll(() => intruder).toContain("lost");
    expect(intruder).not.toContain("connected");
    expect(device).toEqual(["connected"]);
  });
});
