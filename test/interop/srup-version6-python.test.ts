import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { RUN_START } from "../../emulator/kernel/time.ts";
import { SrupType } from "../../gateway/source/srup/message-types.ts";
import { DEVICE, OBSERVER, SERVER } from "../gateway/source/srup/pair.ts";
import { pemOf } from "../gateway/source/srup/vectors.ts";
import { network6, publicText, server6 } from "../gateway/source/srup/version6.ts";
import { describeWithJudge, PYTHON3 } from "../support/judges.ts";

const SCRIPT = fileURLToPath(new URL("support/srup_version6.py", import.meta.url));

interface Judgement {
  readonly rsaBits: number;
  readonly found: readonly Readonly<Record<string, unknown>>[];
  /** Of the peer in Python: its public keys, and its ACTION in hexadecimal. */
  readonly keys: string;
  readonly message: string;
}

function judged(payloads: readonly Uint8Array[]): Judgement {
  const input = JSON.stringify({
    payloads: payloads.map((payload) => Buffer.from(payload).toString("hex")),
    keys: publicText(SERVER, "ed25519"),
    rsaKey: pemOf("keys/observer.pem"),
    sender: OBSERVER,
    token: "746f6b656e",
    sequence: 41,
  });
  return JSON.parse(execFileSync(PYTHON3, [SCRIPT], { input, encoding: "utf8", timeout: 60_000 })) as Judgement;
}

describeWithJudge("python3-cryptography", "SRUP version 6 before a peer in Python, written from the page", () => {
  it("signs what that peer verifies", () => {
    const network = network6("ed25519");
    network.device(DEVICE, { type: "join", kind: "simple" });
    network.command({ type: "sendAction", peer: DEVICE, actionId: 1 });
    network.command({ type: "initiate", devices: [DEVICE], url: "http://fw.example/x.bin", digest: "00" });
    const ours = network.published.map(({ payload }) => payload).filter((payload) => payload[17] === 0xb9);
    const { rsaBits, found } = judged(ours);
    const right = { version: 6, sender: SERVER, signatureLength: 64, verifies: true, verifiesAsVersion5: false };
    expect(rsaBits).toBe(2048);
    expect(found).toEqual([
      { ...right, type: SrupType.RESPONSE, sequence: "2" },
      { ...right, type: SrupType.ACTION, sequence: "3" },
      { ...right, type: SrupType.INITIATE, sequence: "4" },
    ]);
  });

  it("takes what that peer signs, and nothing of it that was changed", () => {
    const { keys, message } = judged([]);
    const payload = new Uint8Array(Buffer.from(message, "hex"));
    const topic = `SRUP/${OBSERVER}`;
    for (let at = 0; at < payload.length; at++) {
      const changed = payload.slice();
      changed[at] = (changed[at] as number) ^ 0x40;
      const server = server6("ed25519", { keys: { [OBSERVER]: keys } });
      server.handle({ type: "message", topic, payload: changed }, RUN_START);
      expect(server.poll(), `byte ${at}`).toMatchObject({ type: "refused" });
    }
    const server = server6("ed25519", { keys: { [OBSERVER]: keys } });
    server.handle({ type: "message", topic, payload }, RUN_START);
    expect(server.poll()).toMatchObject({ type: "action", peer: OBSERVER, actionId: 7 });
  });
});
