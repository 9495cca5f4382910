import { describe, expect, it } from "vitest";
import { ns, plus, RUN_START, s } from "../../../../emulator/kernel/time.ts";
import type { SrupDevice } from "../../../../gateway/source/srup/device.ts";
import type { SrupServer } from "../../../../gateway/source/srup/server.ts";
import { decodeSrup } from "../../../../gateway/source/srup/srup-message.ts";
import { SrupStatus } from "../../../../gateway/source/srup/status.ts";
import { decodeText } from "../../../../gateway/source/srup/values.ts";
import { DEVICE, makeDevice, makeServer, Network, OBSERVER, PUBLIC_KEYS, SERVER } from "./pair.ts";

const URL = "http://fw.example/x.bin";
const DIGEST = "a85a376896d9e0916cd25edff334089bd2868dcec5c56b3e5f497822b2e7f7598";

function joined(devices: Record<string, SrupDevice> = { [DEVICE]: makeDevice() }, server = makeServer()): Network {
  const network = new Network(server, devices);
  for (const device of network.devices.keys()) network.device(device, { type: "join", kind: "simple" });
  network.take();
  return network;
}

/** @returns the token of the update that the device has fetched */
function fetched(network: Network): Uint8Array {
  network.command({ type: "initiate", devices: [DEVICE], url: URL, digest: DIGEST });
  const [, download] = network.take() as [unknown, { download: number }];
  network.device(DEVICE, { type: "downloaded", download: download.download, digest: DIGEST });
  const ready = network.take().find((each) => (each as { type: string }).type === "updateReady");
  return (ready as { token: Uint8Array }).token;
}

describe("a SRUP device and its server", () => {
  it("join at once when nobody is to be asked", () => {
    const network = new Network();
    network.device(DEVICE, { type: "join", kind: "simple" });
    expect(network.take()).toMatchObject([
      { of: SERVER, type: "joinEnded", device: DEVICE, outcome: "accept" },
      { of: DEVICE, type: "response", status: SrupStatus.JoinSuccess },
      { of: DEVICE, type: "joined", server: SERVER },
    ]);
  });

  it.each([
    ["accept", "joined"],
    ["refuse", "notJoined"],
    ["fail", "notJoined"],
  ] as const)("show both the same value before a person lets them: %s", (outcome, end) => {
    const network = new Network(makeServer({ joins: { human: "ask" } }));
    network.device(DEVICE, { type: "join", kind: "human" });
    network.command({ type: "sendJoinValue", device: DEVICE });
    const [asked, server, device] = network.take() as { value: string }[];
    expect(asked).toMatchObject({ type: "joinRequested", kind: "human" });
    expect(server).toMatchObject({ of: SERVER, type: "joinValue", value: expect.stringMatching(/^[0-9a-f]{32}$/) });
    expect(device).toMatchObject({ of: DEVICE, type: "joinValue", value: server?.value });
    network.command({ type: "endJoin", device: DEVICE, outcome });
    expect(network.take().at(-1)).toMatchObject({ of: DEVICE, type: end });
  });

  it.each(["valid", "invalid", "fail"] as const)("ask a device that has joined already to look: %s", (verdict) => {
    const network = joined({ [OBSERVER]: makeDevice(OBSERVER) }, makeServer({ joins: { observed: "ask" } }));
    network.devices.set(DEVICE, makeDevice());
    network.device(DEVICE, { type: "join", kind: "observed", observer: OBSERVER });
    expect(network.take()).toMatchObject([{ type: "joinRequested", kind: "observed", observer: OBSERVER }]);
    network.command({ type: "sendJoinValue", device: DEVICE });
    const [{ value } = { value: "" }] = network.take() as { value: string }[];
    network.command({ type: "askObserver", observer: OBSERVER, device: DEVICE, value });
    expect(network.take()).toMatchObject([{ of: OBSERVER, type: "observe", device: DEVICE, value }]);
    network.device(OBSERVER, { type: "observed", device: DEVICE, verdict });
    expect(network.take()).toMatchObject([
      { type: "response" },
      { of: SERVER, type: "observation", observer: OBSERVER, device: DEVICE, verdict },
    ]);
    network.device(OBSERVER, { type: "observed", device: DEVICE, verdict });
    expect(network.take()).toEqual([]);
  });

  it("take the observer's verdict from that observer only, and only for the join that it was asked about", () => {
    const network = joined(
      { [OBSERVER]: makeDevice(OBSERVER) },
      makeServer({ joins: { observed: "ask", human: "ask" } }),
    );
    network.devices.set(DEVICE, makeDevice());
    const asked = (): Uint8Array => {
      network.device(DEVICE, { type: "join", kind: "observed", observer: OBSERVER });
      network.command({ type: "sendJoinValue", device: DEVICE });
      network.command({ type: "askObserver", observer: OBSERVER, device: DEVICE, value: "0".repeat(32) });
      network.take();
      const last = decodeSrup(network.published.at(-1)?.payload ?? new Uint8Array(0));
      if (last.type === "malformed") throw new Error(last.reason);
      expect(last.message.type).toBe("OBSERVATION_REQUEST");
      return last.message.token;
    };
    const verdict = (): unknown => network.take().find((each) => (each as { type: string }).type === "observation");

    const token = asked();
    network.device(DEVICE, { type: "sendResponse", peer: SERVER, status: SrupStatus.ObservedJoinValid, token });
    expect(verdict()).toEqual({
      of: SERVER,
      type: "observation",
      observer: DEVICE,
      verdict: "valid",
      device: undefined,
    });
    network.device(OBSERVER, { type: "observed", device: DEVICE, verdict: "invalid" });
    expect(verdict()).toMatchObject({ observer: OBSERVER, verdict: "invalid", device: DEVICE });

    asked();
    network.device(DEVICE, { type: "join", kind: "human" });
    network.device(OBSERVER, { type: "observed", device: DEVICE, verdict: "valid" });
    expect(verdict()).toMatchObject({ observer: OBSERVER, verdict: "valid", device: undefined });

    asked();
    network.command({ type: "endJoin", device: DEVICE, outcome: "fail" });
    expect(network.server.save().observations).toEqual({});
  });

  it("end a join that nobody decides as failed, at its deadline and not before", () => {
    const network = new Network(makeServer({ joins: { simple: "ask" }, patience: { join: s(60) } }));
    network.device(DEVICE, { type: "join", kind: "simple" });
    network.take();
    network.at(plus(RUN_START, ns(s(60) - 1)));
    expect(network.take()).toEqual([]);
    network.at(plus(RUN_START, s(60)));
    expect(network.take()).toMatchObject([
      { type: "joinEnded", outcome: "timeout" },
      { status: SrupStatus.JoinFail },
      { type: "notJoined", outcome: "failed" },
    ]);
  });

  it("give a join up when the server never answers, at its deadline and not before", () => {
    const device = makeDevice(DEVICE, { patience: { join: s(60) } });
    const network = new Network(makeServer(), { [DEVICE]: device });
    network.server.handle = () => {};
    network.device(DEVICE, { type: "join", kind: "simple" });
    expect(device.nextDeadline()).toBe(plus(RUN_START, s(60)));
    network.at(plus(RUN_START, ns(s(60) - 1)));
    expect(network.take()).toEqual([]);
    network.at(plus(RUN_START, s(60)));
    expect(network.take()).toMatchObject([{ type: "notJoined", outcome: "timeout" }]);
  });

  it("don't join without a key of the server", () => {
    const network = new Network();
    network.isKeyServiceUp = false;
    network.device(DEVICE, { type: "join", kind: "simple" });
    expect(network.take()).toMatchObject([{ type: "notJoined", outcome: "key" }]);
    expect(network.published).toEqual([]);
  });

  it("activate a fetched update once", () => {
    const network = joined();
    const token = fetched(network);
    network.command({ type: "activate", device: DEVICE, token });
    expect(network.take()).toMatchObject([{ of: DEVICE, type: "activate", download: 0 }]);
    network.command({ type: "activate", device: DEVICE, token });
    expect(network.take()).toMatchObject([{ type: "refused", reason: "token" }]);
  });

  it.each([
    ["unreachable", SrupStatus.UpdateFailServer],
    ["timeout", SrupStatus.UpdateFailServer],
    ["status", SrupStatus.UpdateFailFile],
    ["storage", SrupStatus.UpdateFailFile],
    ["url", SrupStatus.UpdateFailHttpError],
    ["tooLarge", SrupStatus.UpdateFailHttpError],
    ["protocol", SrupStatus.UpdateFailHttpError],
  ] as const)("speak of every way in which a download fails: %s", (failure, status) => {
    const network = joined();
    network.command({ type: "initiate", devices: [DEVICE], url: URL, digest: DIGEST });
    network.take();
    network.device(DEVICE, { type: "downloadFailed", download: 0, failure });
    expect(network.take()).toMatchObject([{ type: "response" }, { type: "updateFailed", device: DEVICE, status }]);
    expect(network.server.save().updates).toEqual({});
  });

  it("give a download up at its deadline and not before", () => {
    const network = joined({ [DEVICE]: makeDevice(DEVICE, { patience: { download: s(30) } }) });
    network.command({ type: "initiate", devices: [DEVICE], url: URL, digest: DIGEST });
    network.take();
    network.at(plus(RUN_START, ns(s(30) - 1)));
    expect(network.take()).toEqual([]);
    network.at(plus(RUN_START, s(30)));
    expect(network.take()).toMatchObject([
      { type: "abandon", download: 0 },
      { type: "response" },
      { type: "updateFailed", status: SrupStatus.UpdateFailServer },
    ]);
  });

  it("fetch one file after the other, and no fifth one", () => {
    const network = joined();
    for (let count = 0; count < 5; count++) {
      network.command({ type: "initiate", devices: [DEVICE], url: `${URL}?${count}`, digest: DIGEST });
    }
    const told = network.take() as { type: string; url?: string }[];
    expect(told.filter(({ type }) => type === "download")).toMatchObject([{ url: `${URL}?0` }]);
    expect(told.filter(({ type }) => type === "updateFailed")).toHaveLength(1);
    network.device(DEVICE, { type: "downloadFailed", download: 0, failure: "status" });
    expect(network.take()).toContainEqual({ of: DEVICE, type: "download", download: 1, url: `${URL}?1` });
  });

  it("are asked for nothing but http and https", () => {
    const network = joined();
    network.command({ type: "initiate", devices: [DEVICE], url: "file:///etc/passwd", digest: DIGEST });
    expect(network.take().at(-1)).toMatchObject({ type: "updateFailed", status: SrupStatus.UpdateFailHttpError });
  });

  it("answer an ID request, and pass data and actions on", () => {
    const network = joined();
    network.command({ type: "sendIdRequest", peer: DEVICE });
    const [data, identified] = network.take() as [{ dataId: string; data: Uint8Array }, unknown];
    expect(identified).toMatchObject({ of: DEVICE, type: "identified" });
    expect([data.dataId, decodeText(data.data)]).toEqual(["IDENTIFICATION_RESPONSE", "a device"]);
    network.command({ type: "sendAction", peer: DEVICE, actionId: 7 });
    network.device(DEVICE, { type: "sendData", peer: SERVER, dataId: "t", data: Uint8Array.of(1) });
    expect(network.take()).toMatchObject([
      { of: DEVICE, type: "action", actionId: 7 },
      { of: SERVER, type: "data", peer: DEVICE, dataId: "t" },
    ]);
  });

  it.each([
    ["resign", "resigned", false],
    ["deregister", "deregistered", true],
  ] as const)("part when the device wants to: %s", (type, how, keyStays) => {
    const network = joined();
    network.device(DEVICE, { type });
    const told = network.take();
    expect(told).toContainEqual({ of: DEVICE, type: "server", server: undefined, cause: "left" });
    expect(told).toContainEqual({ of: SERVER, type: "left", device: DEVICE, how });
    expect(DEVICE in network.server.save().party.keys).toBe(keyStays);
  });

  it.each([
    ["terminate", true],
    ["deregister", false],
  ] as const)("part when the server wants to: %s", (how, keyStays) => {
    const network = joined();
    network.command({ type: "release", device: DEVICE, how });
    expect(network.take()).toContainEqual({ of: DEVICE, type: "server", server: undefined, cause: "released" });
    expect(SERVER in (network.devices.get(DEVICE)?.save().party.keys ?? {})).toBe(keyStays);
    expect(network.server.save().joined).toEqual([]);
  });

  it("come together by command of the server", () => {
    const { server: _, ...state } = makeDevice().save();
    const device = makeDevice();
    device.load({ ...state, server: undefined });
    const network = new Network(makeServer(), { [DEVICE]: device });
    network.command({ type: "commandJoin", device: DEVICE });
    expect(network.take()).toContainEqual({ of: DEVICE, type: "server", server: SERVER, cause: "command" });
    expect(network.server.save().joined).toEqual([DEVICE]);
  });

  it.each([
    ["was not activated and is gone", false, [], SrupStatus.UpdateFailFile],
    ["was activated, and nobody said how that went", true, [], SrupStatus.ActivateFail],
    ["is still there", false, [0], SrupStatus.UpdateSuccess],
  ] as const)("tell after a restart and a join what became of a file that %s", (_, isActivated, kept, status) => {
    const network = joined();
    const token = fetched(network);
    if (isActivated) network.command({ type: "activate", device: DEVICE, token });
    const saved = JSON.stringify(network.devices.get(DEVICE)?.save());
    const device = makeDevice();
    device.load(JSON.parse(saved));
    network.devices.set(DEVICE, device);
    network.device(DEVICE, { type: "restarted", fetched: kept });
    network.device(DEVICE, { type: "restarted", fetched: kept });
    network.take();
    network.device(DEVICE, { type: "join", kind: "simple" });
    const told = network.take().filter((each) => (each as { of: string; type: string }).of === SERVER);
    const answers = told.filter((each) => (each as { type: string }).type === "response");
    expect(answers).toEqual(
      status === undefined ? [] : [{ of: SERVER, type: "response", peer: DEVICE, status, token }],
    );
    network.device(DEVICE, { type: "join", kind: "simple" });
    expect(network.take().filter((each) => (each as { type: string }).type === "updateFailed")).toEqual([]);
    if (isActivated) return;
    network.command({ type: "activate", device: DEVICE, token });
    expect(network.take().at(-1)).toMatchObject({ type: status === SrupStatus.UpdateSuccess ? "activate" : "refused" });
  });

  it("are not refused by a peer that used up numbers while they were away", () => {
    const network = joined();
    const device = network.devices.get(DEVICE) as SrupDevice;
    network.devices.delete(DEVICE);
    for (let count = 0; count < 20; count++) network.command({ type: "sendIdRequest", peer: DEVICE });
    network.devices.set(DEVICE, device);
    network.device(DEVICE, { type: "connected" });
    network.device(DEVICE, { type: "sendAction", peer: SERVER, actionId: 1 });
    network.device(DEVICE, { type: "sendAction", peer: SERVER, actionId: 2 });
    expect(network.take()).toMatchObject([
      { of: SERVER, type: "action", actionId: 1 },
      { of: SERVER, type: "action", actionId: 2 },
    ]);
    expect(BigInt(`0x${device.save().party.sequences[SERVER]}`)).toBeLessThan(66_000n);
    network.command({ type: "connected" });
    network.device(DEVICE, { type: "sendAction", peer: SERVER, actionId: 3 });
    network.command({ type: "sendAction", peer: DEVICE, actionId: 4 });
    expect(network.take()).toMatchObject([{ actionId: 3 }, { of: DEVICE, actionId: 4 }]);
    expect(BigInt(`0x${device.save().party.sequences[SERVER]}`)).toBeLessThan(66_000n);
  });

  it("ask for keys again when a restart has lost the question", () => {
    const server = makeServer();
    const network = new Network(server);
    const ask = (): string[] => {
      const asked: string[] = [];
      for (let said = server.poll(); said !== undefined; said = server.poll())
        if (said.type === "lookUpKey") asked.push(said.peer);
      return asked;
    };
    const device = network.devices.get(DEVICE) as SrupDevice;
    device.handle({ type: "key", peer: SERVER, key: PUBLIC_KEYS[SERVER] as string }, network.now);
    device.handle({ type: "join", kind: "simple" }, network.now);
    device.handle({ type: "key", peer: SERVER, key: PUBLIC_KEYS[SERVER] as string }, network.now);
    for (let said = device.poll(); said !== undefined; said = device.poll())
      if (said.type === "publish") server.handle({ ...said, type: "message" }, network.now);
    expect(ask()).toEqual([DEVICE]);
    server.load(server.save());
    server.handle({ type: "connected" }, network.now);
    expect(ask()).toEqual([DEVICE]);
  });

  it("take what comes right behind a message whose sender's key is being asked for", () => {
    const { server, devices, now } = new Network();
    const { server: _, ...state } = makeDevice().save();
    const device = makeDevice();
    device.load({ ...state, server: undefined, party: { ...state.party, keys: {} } });
    const outputs = (party: SrupDevice | SrupServer) =>
      Array.from({ length: 20 }, () => party.poll()).filter((output) => output !== undefined);
    const pass = (from: SrupDevice | SrupServer, to: SrupDevice | SrupServer): void => {
      for (const said of outputs(from)) if (said.type === "publish") to.handle({ ...said, type: "message" }, now);
    };
    server.handle({ type: "commandJoin", device: DEVICE }, now);
    server.handle({ type: "sendAction", peer: DEVICE, actionId: 9 }, now);
    pass(server, device);
    expect(outputs(device)).toEqual([{ type: "lookUpKey", peer: SERVER }]);
    device.handle({ type: "key", peer: SERVER, key: PUBLIC_KEYS[SERVER] as string }, now);
    expect(outputs(device)).toContainEqual(expect.objectContaining({ type: "action", actionId: 9 }));

    // the answer to the join takes its time, so that no two messages cross
    const [stranger, known] = [makeServer({ joins: { simple: "ask" } }), devices.get(DEVICE) as SrupDevice];
    const { party, ...others } = stranger.save();
    stranger.load({ ...others, joined: [], party: { ...party, keys: {} } });
    known.handle({ type: "join", kind: "simple" }, now);
    outputs(known);
    known.handle({ type: "key", peer: SERVER, key: PUBLIC_KEYS[SERVER] as string }, now);
    known.handle({ type: "sendAction", peer: SERVER, actionId: 5 }, now);
    pass(known, stranger);
    expect(outputs(stranger)).toEqual([{ type: "lookUpKey", peer: DEVICE }]);
    stranger.handle({ type: "key", peer: DEVICE, key: PUBLIC_KEYS[DEVICE] as string }, now);
    const told = outputs(stranger);
    expect(told).toContainEqual(expect.objectContaining({ type: "joinRequested", device: DEVICE }));
    expect(told).toContainEqual(expect.objectContaining({ type: "action", actionId: 5 }));
  });

  it("ask their first server when they are told to join and have none any more", () => {
    const network = joined();
    network.device(DEVICE, { type: "deregister" });
    network.take();
    network.device(DEVICE, { type: "join", kind: "simple" });
    const told = network.take();
    expect(told[0]).toEqual({ of: DEVICE, type: "server", server: SERVER, cause: "join" });
    expect(told.at(-1)).toEqual({ of: DEVICE, type: "joined", server: SERVER });
  });

  it("go on after both have been restarted in the middle of an update", () => {
    const network = joined();
    network.command({ type: "initiate", devices: [DEVICE], url: URL, digest: DIGEST });
    network.take();
    const saved = JSON.stringify([network.server.save(), network.devices.get(DEVICE)?.save()]);
    const again = new Network();
    const [server, device] = JSON.parse(saved);
    again.server.load(server);
    again.devices.get(DEVICE)?.load(device);
    again.command({ type: "connected" });
    again.device(DEVICE, { type: "restarted", fetched: [] });
    expect(again.take()).toMatchObject([{ type: "download", download: 0, url: URL }]);
    again.device(DEVICE, { type: "downloaded", download: 0, digest: DIGEST });
    const [, ready] = again.take() as [unknown, { isOurs: boolean; token: Uint8Array }];
    expect(ready).toMatchObject({ type: "updateReady", isOurs: true });
    again.command({ type: "activate", device: DEVICE, token: ready.token });
    expect(again.take()).toMatchObject([{ of: DEVICE, type: "activate" }]);
  });
});
