import { sign, verify } from "node:crypto";
import { describe, expect, it } from "vitest";
import { RUN_START } from "../../../../emulator/kernel/time.ts";
import { readKeyText } from "../../../../gateway/source/srup/key-text.ts";
import { signSrup, verifySrup } from "../../../../gateway/source/srup/signed.ts";
import {
  decodeSrup,
  decodeSrupHeader,
  encodeSrup,
  type SrupMessage,
  signedBytes,
} from "../../../../gateway/source/srup/srup-message.ts";
import { SyndicationDevice } from "../../../../gateway/source/srup/syndication-device.ts";
import { nodeSrupCrypto } from "../../../../hil/crypto/srup-crypto.ts";
import { SAMPLES } from "./forged.ts";
import { countedBytes, DEVICE, makeDevice, makeServer, Network, OBSERVER, PUBLIC_KEYS, SERVER } from "./pair.ts";
import { hexOf, pemOf } from "./vectors.ts";
import {
  ALGORITHMS,
  type Algorithm,
  device6,
  keysOf,
  LENGTHS,
  network6,
  privateText,
  publicText,
  server6,
  signingKeyOf,
} from "./version6.ts";

const crypto = nodeSrupCrypto();
const URL = "http://fw.example/x.bin";
const DIGEST = "a85a376896d9e0916cd25edff334089bd2868dcec5c56b3e5f497822b2e7f7598";
const PAIRS = ALGORITHMS.flatMap((server) => ALGORITHMS.map((device): [Algorithm, Algorithm] => [server, device]));
const activate: SrupMessage = { type: "ACTIVATE", sequence: 1n, sender: 2n, token: new Uint8Array(3) };

/** Everything that is said of an update which is fetched and activated. */
function update(network: Network): unknown[] {
  network.command({ type: "initiate", devices: [DEVICE], url: URL, digest: DIGEST });
  network.device(DEVICE, { type: "downloaded", download: 0, digest: DIGEST });
  const told = network.take() as { type: string; token: Uint8Array }[];
  const ready = told.find(({ type }) => type === "updateReady");
  network.command({ type: "activate", device: DEVICE, token: ready?.token as Uint8Array });
  return [...told, ...network.take()];
}

describe("parties of SRUP version 6", () => {
  it.each(PAIRS)("join, update and activate: server by %s, device by %s", (ofServer, ofDevice) => {
    const network = network6(ofServer, ofDevice, server6(ofServer, { joins: { human: "ask" } }));
    network.device(DEVICE, { type: "join", kind: "human" });
    network.command({ type: "sendJoinValue", device: DEVICE });
    const [, server, device] = network.take() as { value: string }[];
    expect(device).toMatchObject({ type: "joinValue", value: server?.value });
    network.command({ type: "endJoin", device: DEVICE, outcome: "accept" });
    expect(network.take().at(-1)).toMatchObject({ of: DEVICE, type: "joined" });
    expect(update(network)).toMatchObject([
      { type: "initiated" },
      { type: "download" },
      { type: "response" },
      { type: "updateReady", isOurs: true },
      { of: DEVICE, type: "activate", download: 0 },
    ]);
    for (const { payload } of network.published) {
      const decoded = decodeSrup(payload, "current", 6);
      if (decoded.type === "malformed") throw new Error(decoded.reason);
      const isServers = decoded.message.sender === BigInt(`0x${SERVER}`);
      expect(decoded.signature).toHaveLength(LENGTHS[isServers ? ofServer : ofDevice]);
    }
  });

  it("ask an observer whose key is of the other kind", () => {
    const observer = device6("ml-dsa-65", {}, OBSERVER);
    const network = network6("ed25519", "ed25519", server6("ed25519", { joins: { observed: "ask" } }), {
      [OBSERVER]: observer,
      [DEVICE]: device6("ed25519"),
    });
    network.keys = { ...network.keys, [OBSERVER]: publicText(OBSERVER, "ml-dsa-65") };
    network.device(OBSERVER, { type: "join", kind: "simple" });
    network.device(DEVICE, { type: "join", kind: "observed", observer: OBSERVER });
    network.command({ type: "sendJoinValue", device: DEVICE });
    const { value } = network.take().at(-1) as { value: string };
    network.command({ type: "askObserver", observer: OBSERVER, device: DEVICE, value });
    expect(network.take()).toMatchObject([{ of: OBSERVER, type: "observe", device: DEVICE, value }]);
    network.device(OBSERVER, { type: "observed", device: DEVICE, verdict: "valid" });
    expect(network.take().at(-1)).toMatchObject({ of: SERVER, type: "observation", verdict: "valid" });
  });

  it.each(ALGORITHMS)("go on from what they saved: %s", (algorithm) => {
    const network = network6(algorithm);
    network.device(DEVICE, { type: "join", kind: "simple" });
    const saved = JSON.stringify([network.server.save(), network.devices.get(DEVICE)?.save()]);
    const again = network6(algorithm);
    const [server, device] = JSON.parse(saved);
    again.server.load(server);
    again.devices.get(DEVICE)?.load(device);
    expect(update(again).at(-1)).toMatchObject({ of: DEVICE, type: "activate" });
  });
});

describe("parties of different SRUP versions", () => {
  /** What a party of the other version sends, to a device or to a server. */
  function sent(to: "device" | "server", from: Network): { topic: string; payload: Uint8Array } {
    from.device(DEVICE, { type: "join", kind: "simple" });
    from.command({ type: "sendAction", peer: DEVICE, actionId: 1 });
    const found = from.published.find(({ topic }) => topic.startsWith("SRUP/servers/") === (to === "server"));
    return found as NonNullable<typeof found>;
  }
  const known = { ...PUBLIC_KEYS };

  it.each([
    ["a device of version 5", 6, () => makeDevice(DEVICE, { keys: keysOf("ed25519") }), "device"],
    ["a server of version 5", 6, () => makeServer({ keys: keysOf("ed25519") }), "server"],
    ["a device of version 6", 5, () => device6("ed25519", { keys: known }), "device"],
    ["a server of version 6", 5, () => server6("ml-dsa-65", { keys: known }), "server"],
  ] as const)("refuse each other by name, and nothing changes: %s", (_, other, make, role) => {
    const party = make();
    const before = JSON.stringify(party.save());
    const { topic, payload } = sent(role, other === 6 ? network6("ed25519") : new Network());
    expect(payload[0]).toBe(other);
    party.handle({ type: "message", topic, payload }, RUN_START);
    expect(party.poll()).toEqual({ type: "refused", reason: "version" });
    expect(party.poll()).toBeUndefined();
    expect(JSON.stringify(party.save())).toBe(before);
  });

  it.each([
    ["5", "6", () => makeServer(), () => device6("ed25519")],
    ["6", "5", () => server6("ed25519"), () => makeDevice()],
  ] as const)("do not join: server of %s, device of %s", (_server, _device, server, device) => {
    const network = new Network(server(), { [DEVICE]: device() });
    network.device(DEVICE, { type: "join", kind: "simple" });
    expect(network.take()).toMatchObject([{ of: SERVER, type: "refused", reason: "version" }]);
    expect(network.server.save().joined).toEqual([]);
    network.command({ type: "sendAction", peer: DEVICE, actionId: 1 });
    expect(network.take()).toMatchObject([{ of: DEVICE, type: "refused", reason: "version" }]);
  });

  it("do not take each other's messages with the first byte changed", () => {
    const { topic, payload } = sent("server", new Network());
    const newer = Uint8Array.of(6, ...payload.subarray(1));
    for (const keys of [PUBLIC_KEYS, keysOf("ed25519")]) {
      const server = server6("ed25519", { keys });
      server.handle({ type: "message", topic, payload: newer }, RUN_START);
      expect(server.poll()).toMatchObject({ type: "refused", reason: "signature" });
    }
    const older = sent("server", network6("ed25519"));
    const server = makeServer({ keys: keysOf("ed25519") });
    server.handle({ type: "message", topic, payload: Uint8Array.of(5, ...older.payload.subarray(1)) }, RUN_START);
    expect(server.poll()).toMatchObject({ type: "refused", reason: "signature" });
  });

  it("do not verify by the RSA key of a party of version 6, nor sign by it", () => {
    const rsa = pemOf("keys/device.pem");
    const signed = signSrup(activate, rsa, crypto) as NonNullable<ReturnType<typeof signSrup>>;
    const decoded = decodeSrup(encodeSrup(signed));
    expect(verifySrup(decoded, PUBLIC_KEYS[DEVICE] as string, crypto)).toBe(true);
    expect(verifySrup(decoded, publicText(DEVICE, "ed25519"), crypto)).toBe(false);
    expect(signSrup(activate, privateText(DEVICE, "ed25519"), crypto)).toBeUndefined();
    expect(signSrup(activate, rsa, crypto, 6)).toBeUndefined();
  });
});

describe("a SRUP device between networks of different versions", () => {
  it.each([
    [5, 6],
    [6, 5],
  ] as const)("signs for each side as that side does: home %i, away %i", (home, away) => {
    const [homeKey, awayKey] = [home, away].map((version) =>
      version === 6 ? privateText(DEVICE, "ed25519") : pemOf("keys/device.pem"),
    ) as [string, string];
    const keys = (version: 5 | 6): string =>
      version === 6 ? publicText(SERVER, "ed25519") : (PUBLIC_KEYS[SERVER] as string);
    const device = new SyndicationDevice(
      { identity: DEVICE, privateKey: homeKey, identification: "", server: SERVER, keys: { [SERVER]: keys(home) } },
      { crypto, random: countedBytes() },
    );
    const as = { identity: OBSERVER, privateKey: awayKey, server: SERVER, serverKey: keys(away), value: undefined };
    device.handle({ type: "registered", as }, RUN_START);
    const server = home === 6 ? server6("ed25519") : makeServer();
    server.handle({ type: "syndicationDevice", device: DEVICE }, RUN_START);
    server.handle({ type: "syndicatedAction", target: OBSERVER, actionId: 9 }, RUN_START);
    const said = server.poll();
    if (said?.type !== "publish") throw new Error("nothing was sent");
    device.handle({ type: "side", side: "home", input: { ...said, type: "message" } }, RUN_START);
    const outputs = Array.from({ length: 4 }, () => device.poll());
    const relayed = outputs.find((each) => each?.type === "side" && each.side === "away");
    expect(relayed).toMatchObject({ output: { type: "publish", topic: `SRUP/${OBSERVER}` } });
    const { payload } = (relayed as { output: { payload: Uint8Array } }).output;
    const decoded = decodeSrup(payload, "current", away);
    expect(decoded).toMatchObject({ message: { type: "SYNDICATED_ACTION", actionId: 9 } });
    const own = away === 6 ? publicText(DEVICE, "ed25519") : (PUBLIC_KEYS[DEVICE] as string);
    expect(verifySrup(decoded, own, crypto, away)).toBe(true);
  });
});

describe("signatures of SRUP version 6", () => {
  function signed(algorithm: Algorithm) {
    const made = signSrup(activate, privateText(DEVICE, algorithm), crypto, 6);
    const decoded = decodeSrup(encodeSrup(made as NonNullable<typeof made>, 6), "current", 6);
    if (decoded.type === "malformed") throw new Error(decoded.reason);
    return decoded;
  }

  it.each(ALGORITHMS)("are over the message without them, and the same each time: %s", (algorithm) => {
    const { signature } = signed(algorithm);
    expect(signature).toHaveLength(LENGTHS[algorithm]);
    const key = signingKeyOf(DEVICE, algorithm);
    expect(verify(null, signedBytes(activate, 6), key, signature)).toBe(true);
    expect(signedBytes(activate, 6)[0]).toBe(6);
    expect(signed(algorithm)).toEqual(signed(algorithm));
  });

  it.each(ALGORITHMS)("are taken from node:crypto, which signs by ML-DSA with random in it: %s", (algorithm) => {
    const make = () => new Uint8Array(sign(null, signedBytes(activate, 6), signingKeyOf(DEVICE, algorithm)));
    const [one, other] = [make(), make()];
    expect(Buffer.compare(one, other) === 0).toBe(algorithm === "ed25519");
    for (const signature of [one, other])
      expect(verifySrup({ ...signed(algorithm), signature }, publicText(DEVICE, algorithm), crypto, 6)).toBe(true);
  });

  it("are what Python's cryptography makes of the example on the page", () => {
    // the key of RFC 8032, 7.1, TEST 1
    const seed = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
    const der = Buffer.from(`302e020100300506032b657004220420${seed}`, "hex").toString("base64");
    const key = `${pemOf("keys/device.pem")}-----BEGIN PRIVATE KEY-----\n${der}\n-----END PRIVATE KEY-----\n`;
    const action = { type: "ACTION", sequence: 1n, sender: BigInt(`0x${DEVICE}`), actionId: 7 } as const;
    const made = signSrup({ ...action, token: new Uint8Array(0) }, key, crypto, 6);
    const example = encodeSrup(made as NonNullable<typeof made>, 6);
    expect(hexOf(example)).toBe(
      "0604010000000000000081706f5e4d3c2b1a00000040" +
        "1d86e30b8c3d86805a257e1fd1b2aced663cc351d254352a30858a56c75e0d71" +
        "a1462b359e858671fb37b68b1b7615735c329b1457d2ba6b82771c265c24410c07",
    );
  });

  it.each(ALGORITHMS)("are refused at any other length: %s", (algorithm) => {
    const decoded = signed(algorithm);
    const key = publicText(DEVICE, algorithm);
    expect(verifySrup(decoded, key, crypto, 6)).toBe(true);
    const { signature } = decoded;
    const wrong = [
      new Uint8Array(0),
      signature.subarray(0, 1),
      signature.subarray(0, -1),
      Uint8Array.of(...signature, 0),
      Uint8Array.of(...signature, ...signature),
      new Uint8Array(256),
      new Uint8Array(LENGTHS.ed25519 + LENGTHS["ml-dsa-65"] - signature.length),
    ];
    for (const each of wrong) expect(verifySrup({ ...decoded, signature: each }, key, crypto, 6)).toBe(false);
  });

  it("verify only by the key of who signed, and not by one of the other kind", () => {
    for (const algorithm of ALGORITHMS) {
      const decoded = signed(algorithm);
      const [other] = ALGORITHMS.filter((each) => each !== algorithm) as [Algorithm];
      expect(verifySrup(decoded, publicText(DEVICE, algorithm, " another"), crypto, 6)).toBe(false);
      expect(verifySrup(decoded, publicText(DEVICE, other), crypto, 6)).toBe(false);
      expect(verifySrup(decoded, publicText(SERVER, algorithm), crypto, 6)).toBe(false);
      expect(verifySrup(decoded, PUBLIC_KEYS[DEVICE] as string, crypto, 6)).toBe(false);
    }
  });

  it("are of no other kind of key, in no other order, and of no third key", () => {
    const [rsa, ed25519] = [pemOf("keys/device.pem"), readKeyText(privateText(DEVICE, "ed25519")).signing];
    for (const text of [rsa + rsa, ed25519 + rsa, ed25519 + ed25519 + rsa, rsa + ed25519 + ed25519]) {
      expect(signSrup(activate, text, crypto, 6)).toBeUndefined();
    }
    const decoded = signed("ed25519");
    const [open, verifying] = [pemOf("keys/device.pub.pem"), readKeyText(publicText(DEVICE, "ed25519")).signing];
    expect(verifySrup(decoded, open + verifying, crypto, 6)).toBe(true);
    for (const text of ["", open, verifying, open + open, verifying + open, open + verifying + verifying]) {
      expect(verifySrup(decoded, text, crypto, 6)).toBe(false);
    }
  });

  it("keep a message from being sent when their key can't be used", () => {
    const network = new Network(makeServer({ privateKey: `${pemOf("keys/server.pem")}-----BEGIN nothing` }));
    network.command({ type: "sendAction", peer: DEVICE, actionId: 1 });
    expect(network.take()).toMatchObject([{ type: "unsent", reason: "key" }]);
  });

  it("do not change what a header says before them", () => {
    for (const sample of SAMPLES) {
      const newer = Uint8Array.of(6, ...sample.subarray(1));
      expect(decodeSrupHeader(newer, 6)).toEqual(decodeSrupHeader(sample));
    }
  });
});
