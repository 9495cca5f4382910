import { describe, expect, it } from "vitest";
import { Prng } from "../../../../emulator/kernel/prng.ts";
import { numberOf } from "../../../../gateway/source/srup/party.ts";
import { signSrup } from "../../../../gateway/source/srup/signed.ts";
import { decodeSrup, encodeSrup } from "../../../../gateway/source/srup/srup-message.ts";
import { SyndicationDevice } from "../../../../gateway/source/srup/syndication-device.ts";
import { nodeSrupCrypto } from "../../../../hil/crypto/srup-crypto.ts";
import { RUNS, TIMEOUT_MS } from "../../../property/runs.ts";
import { essence, type Listener, mutated, SAMPLES, said } from "./forged.ts";
import { countedBytes, DEVICE, SERVER } from "./pair.ts";
import { ALGORITHMS, type Algorithm, device6, keysOf, network6, privateText, server6 } from "./version6.ts";

const crypto = nodeSrupCrypto();

/** A message of every type from the server and from the device, each signed by who sends it. */
function samplesOf(algorithm: Algorithm): Uint8Array[] {
  const ofType = new Map(SAMPLES.map((sample) => [sample[1], decodeSrup(sample)]));
  return [...ofType.values()].flatMap((decoded) => {
    if (decoded.type === "malformed") return [];
    return [SERVER, DEVICE].map((sender) => {
      const message = { ...decoded.message, sender: numberOf(sender), sequence: 7n };
      const signed = signSrup(message, privateText(sender, algorithm), crypto, 6);
      if (signed === undefined) throw new Error("not signed");
      return encodeSrup(signed, 6);
    });
  });
}
const SIGNED = new Map(ALGORITHMS.map((algorithm) => [algorithm, samplesOf(algorithm)]));

const keysFor = (algorithm: Algorithm) => {
  const { [SERVER]: server = "", [DEVICE]: device = "" } = keysOf(algorithm);
  return { [SERVER]: server, [DEVICE]: device };
};

/** The home side of a device that relays. */
function syndication6(algorithm: Algorithm): Listener {
  const device = new SyndicationDevice(
    {
      identity: DEVICE,
      privateKey: privateText(DEVICE, algorithm),
      identification: "",
      server: SERVER,
      keys: keysFor(algorithm),
    },
    { crypto, random: countedBytes() },
  );
  return {
    handle: (input, now) => device.handle({ type: "side", side: "home", input }, now),
    poll: () => {
      const output = device.poll();
      return output?.type === "side" ? output.output : output;
    },
    save: () => device.save(),
  };
}

const ROLES = [
  ["a device", (algorithm) => device6(algorithm, { keys: keysFor(algorithm) }), `SRUP/${DEVICE}`],
  ["a server", (algorithm) => server6(algorithm, { keys: keysFor(algorithm) }), `SRUP/servers/${SERVER}/${DEVICE}`],
  ["a syndication device", syndication6, `SRUP/${DEVICE}`],
] as const satisfies readonly [string, (algorithm: Algorithm) => Listener, string][];
const CASES = ROLES.flatMap((role) => ALGORITHMS.map((algorithm) => [...role, algorithm] as const));

describe("forged SRUP messages of version 6", () => {
  it.each(CASES.map(([name, make, topic, algorithm]) => [name, algorithm, make, topic] as const))(
    "change nothing at %s, whatever they are: %s",
    (_, algorithm, make, topic) => {
      const samples = SIGNED.get(algorithm) ?? [];
      expect(samples.length).toBeGreaterThan(50);
      const right = new Set(samples.map((sample) => essence(sample, 6)));
      const role: Listener = make(algorithm);
      const random = new Prng("forged");
      const before = JSON.stringify(role.save());
      const answers = new Set<string>();
      for (let count = 0; count < RUNS; count++) {
        const payload = mutated(samples[count % samples.length] as Uint8Array, random);
        if (right.has(essence(payload, 6))) continue;
        for (const output of said(role, topic, payload)) answers.add(output);
      }
      expect([...answers]).toEqual(["refused"]);
      expect(JSON.stringify(role.save())).toBe(before);
    },
    TIMEOUT_MS,
  );

  it.each(ALGORITHMS)("with a number as great as can be don't lock the real peer out: %s", (algorithm) => {
    const network = network6(algorithm);
    network.device(DEVICE, { type: "join", kind: "simple" });
    network.take();
    const [first] = network.published;
    const decoded = decodeSrup(first?.payload as Uint8Array, "current", 6);
    if (decoded.type === "malformed") throw new Error(decoded.reason);
    const message = { ...decoded.message, sequence: 0xffff_ffff_ffff_ffffn };
    const payload = encodeSrup({ ...decoded, message }, 6);
    network.command({ type: "message", topic: first?.topic as string, payload });
    expect(network.take()).toMatchObject([{ type: "refused", reason: "signature" }]);
    network.device(DEVICE, { type: "sendAction", peer: SERVER, actionId: 1 });
    expect(network.take()).toMatchObject([{ of: SERVER, type: "action" }]);
  });
});
