import { describe, expect, it } from "vitest";
import { Prng } from "../../../../emulator/kernel/prng.ts";
import { RUN_START } from "../../../../emulator/kernel/time.ts";
import { decodeSrup, encodeSrup } from "../../../../gateway/source/srup/srup-message.ts";
import { RUNS, TIMEOUT_MS } from "../../../property/runs.ts";
import { essence, mutated, SAMPLES, said } from "./forged.ts";
import { DEVICE, makeDevice, makeServer, Network, OBSERVER, PUBLIC_KEYS, SERVER } from "./pair.ts";

const KEYS = { [SERVER]: PUBLIC_KEYS[SERVER] as string, [DEVICE]: PUBLIC_KEYS[DEVICE] as string };
const TRIES = 5 * RUNS;
const RIGHT = new Set(SAMPLES.map((sample) => essence(sample)));

/** What a device sends that wants to join. */
function joinRequest(): { topic: string; payload: Uint8Array } {
  const device = makeDevice(OBSERVER, { keys: KEYS });
  device.handle({ type: "join", kind: "simple" }, RUN_START);
  const sent = device.poll();
  if (sent?.type !== "publish") throw new Error("nothing was sent");
  return sent;
}

describe("forged SRUP messages", () => {
  it.each([
    ["a device", () => makeDevice(DEVICE, { keys: KEYS }), `SRUP/${DEVICE}`],
    ["a server", () => makeServer({ keys: KEYS }), `SRUP/servers/${SERVER}/${DEVICE}`],
  ] as const)(
    "change nothing at %s, whatever they are",
    (_, make, topic) => {
      const role = make();
      const random = new Prng("forged");
      const before = JSON.stringify(role.save());
      const answers = new Set<string>();
      for (let count = 0; count < TRIES; count++) {
        const payload = mutated(SAMPLES[count % SAMPLES.length] as Uint8Array, random);
        if (RIGHT.has(essence(payload))) continue;
        for (const output of said(role, topic, payload)) answers.add(output);
      }
      expect([...answers]).toEqual(["refused"]);
      expect(JSON.stringify(role.save())).toBe(before);
    },
    TIMEOUT_MS,
  );

  it("with a number as great as can be don't lock the real peer out", () => {
    const network = new Network();
    network.device(DEVICE, { type: "join", kind: "simple" });
    const [first] = network.published;
    const decoded = decodeSrup(first?.payload as Uint8Array);
    if (decoded.type === "malformed") throw new Error("no message");
    const forged = { ...decoded, message: { ...decoded.message, sequence: 0xffff_ffff_ffff_ffffn } };
    network.take();
    network.command({ type: "message", topic: first?.topic as string, payload: encodeSrup(forged) });
    expect(network.take()).toMatchObject([{ type: "refused", reason: "signature" }]);
    network.device(DEVICE, { type: "sendAction", peer: SERVER, actionId: 1 });
    expect(network.take()).toMatchObject([{ of: SERVER, type: "action" }]);
  });

  it("that were right once are refused the second time", () => {
    const network = new Network();
    network.device(DEVICE, { type: "join", kind: "simple" });
    network.take();
    for (const message of network.published.slice()) {
      network.command({ ...message, type: "message" });
      network.device(DEVICE, { ...message, type: "message" });
    }
    expect(network.take().map((each) => (each as { reason: string }).reason)).toEqual([
      "sequence",
      "topic",
      "sequence",
    ]);
  });

  it("that name a device whose key has been asked for once don't keep it out, and are not asked about again", () => {
    const server = makeServer();
    const { topic, payload } = joinRequest();
    const forged = (): void => {
      const wrong = payload.slice();
      wrong[60] = (wrong[60] as number) ^ 1;
      for (let count = 0; count < 100; count++) server.handle({ type: "message", topic, payload: wrong }, RUN_START);
    };
    forged();
    server.handle({ type: "key", peer: OBSERVER, key: PUBLIC_KEYS[OBSERVER] as string }, RUN_START);
    const before = server.save();
    expect(before.party.keys).toEqual({});
    forged();
    expect(server.save()).toEqual(before);
    server.handle({ type: "message", topic, payload }, RUN_START);
    expect(server.save()).toMatchObject({ joined: [OBSERVER], lookedUp: {} });
    const asked = Array.from({ length: 300 }, () => server.poll()).filter((output) => output?.type === "lookUpKey");
    expect(asked).toHaveLength(1);
  });

  it.each([
    ["before it", 50, 3],
    ["after it", 0, 50],
  ])("that name a device don't keep it out while its key is being asked for: %s", (_, before, after) => {
    const server = makeServer();
    const { topic, payload } = joinRequest();
    const forged = payload.slice();
    forged[60] = (forged[60] as number) ^ 1;
    for (let count = 0; count < before; count++) server.handle({ type: "message", topic, payload: forged }, RUN_START);
    server.handle({ type: "message", topic, payload }, RUN_START);
    for (let count = 0; count < after; count++) server.handle({ type: "message", topic, payload: forged }, RUN_START);
    expect(server.save().held).toHaveLength(8);
    server.handle({ type: "key", peer: OBSERVER, key: PUBLIC_KEYS[OBSERVER] as string }, RUN_START);
    expect(server.save().joined).toEqual([OBSERVER]);
  });

  it("of strangers leave room for those whose keys are being asked for", () => {
    const server = makeServer();
    const { topic, payload } = joinRequest();
    for (let count = 0; count < 100; count++) {
      const forged = payload.slice();
      forged[60] = count ^ 0xff;
      forged[17] = 0x11;
      server.handle({ type: "message", topic, payload: forged }, RUN_START);
    }
    server.handle({ type: "message", topic, payload }, RUN_START);
    const outputs = Array.from({ length: 200 }, () => server.poll());
    expect(outputs.filter((output) => output?.type === "lookUpKey")).toHaveLength(2);
    expect(server.save().held.filter(({ peer }) => peer === OBSERVER)).toHaveLength(1);
    server.handle({ type: "key", peer: OBSERVER, key: PUBLIC_KEYS[OBSERVER] as string }, RUN_START);
    expect(server.save().joined).toEqual([OBSERVER]);
  });
});
