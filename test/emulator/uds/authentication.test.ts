import { describe, expect, it } from "vitest";
import { s } from "../../../emulator/kernel/time.ts";
import { toHex } from "../../../emulator/wire/text.ts";
import { nodeCrypto } from "../../../hil/crypto/node-crypto.ts";
import {
  authenticate,
  bench,
  bytes,
  CLIENT_CHALLENGE,
  certificate,
  DATE,
  EXCHANGE,
  fieldsOf,
  joined,
  privateKey,
  proof,
  showing,
  sized,
  text,
} from "./support/authentication-bench.ts";
import { ServerBench } from "./support/server-bench.ts";

const COMPLETE = "69 03 12 00 00";
const HMAC = "0608 2a864886f70d0209 000000000000";
const ECDSA = "0608 2a8648ce3d040302 000000000000";
const KEY = new Uint8Array(32).fill(0x4b);
const challengeOf = (answer: string): Uint8Array => fieldsOf(answer, 3)[0] as Uint8Array;

describe("0x29 Authentication", () => {
  it("is not there where it is not configured", () => {
    expect(new ServerBench().ask("29 00")).toBe("7f 29 11");
  });

  it("says how it wants to be talked to", () => {
    expect(bench().ask("29 08")).toBe("69 08 02");
    const asymmetric = { type: "asymmetric", clientKey: certificate("client") } as const;
    expect(bench({ challengeResponse: asymmetric }).ask("29 08")).toBe("69 08 03");
    expect(bench({ challengeResponse: { type: "symmetric", key: KEY } }).ask("29 08")).toBe("69 08 04");
  });

  it.each([
    ["has no other task", "29 09", "7f 29 12"],
    ["has no challenge-response where only certificates are configured", `29 05 00 ${HMAC}`, "7f 29 12"],
    ["wants the task", "29", "7f 29 13"],
    ["wants nothing with deAuthenticate", "29 00 00", "7f 29 13"],
    ["wants nothing with authenticationConfiguration", "29 08 00", "7f 29 13"],
    ["wants a whole certificate", "29 01 00 0010 00", "7f 29 13"],
    ["wants nothing behind the challenge", `${showing("client")} 00`, "7f 29 13"],
    ["wants a whole proof", "29 03 0040 00", "7f 29 13"],
    ["wants a certificate before a proof", "29 03 0000 0000", "7f 29 24"],
    ["makes no session keys", showing("client").replace("29 01 00", "29 01 01"), "7f 29 31"],
    ["wants a challenge for itself where both sides are to be proven", showing("client", "02"), "7f 29 31"],
    ["knows one use of a certificate that is handed in", "29 04 0002 0000", "7f 29 31"],
    ["suppresses its positive response", "29 80", ""],
  ])("%s", (_title, request, response) => {
    expect(bench().ask(request)).toBe(response);
  });
});

describe("0x29 exchange of certificates", () => {
  it("takes a certificate and the proof that its key is the client's", () => {
    const server = bench();
    const answer = server.ask(showing("client"));
    expect(answer.slice(0, 14)).toBe("69 01 11 00 20");
    expect(fieldsOf(answer, 3).map(({ length }) => length)).toEqual([32, 0]);
    expect(server.ask(proof("client", challengeOf(answer)))).toBe(COMPLETE);
  });

  it("proves itself to the client as well", () => {
    const server = bench();
    const answer = server.ask(showing("client", "02", CLIENT_CHALLENGE));
    const [challenge, shown, own, ephemeral] = fieldsOf(answer, 3) as [Uint8Array, Uint8Array, Uint8Array, Uint8Array];
    expect(toHex(shown)).toBe(toHex(certificate("server")));
    expect(ephemeral.length).toBe(0);
    const message = joined(text("otabench server"), CLIENT_CHALLENGE, challenge);
    const key = nodeCrypto.readCertificate(shown)?.publicKey as Uint8Array;
    expect(nodeCrypto.verify("ECDSA-P256-SHA256", key, message, own)).toBe(true);
    expect(server.ask(proof("client", challenge, CLIENT_CHALLENGE))).toBe(COMPLETE);
  });

  it("can't prove itself without a certificate, nor with a key that is none", () => {
    const { own, ...without } = EXCHANGE;
    const request = showing("client", "02", CLIENT_CHALLENGE);
    expect(bench({ certificates: without }).ask(request)).toBe("7f 29 12");
    const broken = { ...EXCHANGE, own: { ...(own as NonNullable<typeof own>), key: Uint8Array.of(1) } };
    expect(bench({ certificates: broken }).ask(request)).toBe("7f 29 59");
  });

  it.each([
    ["50, before it is valid", "client", { date: 1_700_000_000 }, "7f 29 50"],
    ["50, when it has run out", "client", { date: DATE + 1_000_000_000 }, "7f 29 50"],
    ["51, when somebody else signed it", "forged", {}, "7f 29 51"],
    ["52, when nobody knows its issuer", "below", {}, "7f 29 52"],
    ["53, when it is an authority's", "intermediate", {}, "7f 29 53"],
    ["55, when its key is of another kind", "otherKind", {}, "7f 29 55"],
    ["56, when it is for another organization", "stranger", {}, "7f 29 56"],
    ["57, when it was revoked", "revoked", {}, "7f 29 57"],
  ] as const)("refuses a certificate with %s", (_title, name, overrides, response) => {
    expect(bench({ certificates: { ...EXCHANGE, ...overrides } }).ask(showing(name))).toBe(response);
  });

  it("refuses with 54 what is no certificate, and what is more than one", () => {
    expect(bench().ask(`29 01 00 ${sized(text("certificate"))} 0000`)).toBe("7f 29 54");
    const doubled = joined(certificate("client"), Uint8Array.of(0));
    expect(bench().ask(`29 01 00 ${sized(doubled)} 0000`)).toBe("7f 29 54");
  });

  it("takes a certificate whose authority was handed in, and forgets that with the session", () => {
    const server = bench();
    expect(server.ask(`29 04 0001 ${sized(certificate("intermediate"))}`)).toBe("69 04 13");
    expect(authenticate(server, "below")).toBe(COMPLETE);
    server.ask("10 01");
    expect(server.ask(showing("below"))).toBe("7f 29 52");
  });

  it("hands in no authority that nobody trusts, and no client", () => {
    expect(bench().ask(`29 04 0001 ${sized(certificate("client"))}`)).toBe("7f 29 53");
    expect(bench().ask(`29 04 0001 ${sized(certificate("forged"))}`)).toBe("7f 29 51");
  });

  it("refuses a proof by another key with 58, and gives one try a challenge", () => {
    const server = bench();
    const challenge = challengeOf(server.ask(showing("client")));
    expect(server.ask(proof("stranger", challenge))).toBe("7f 29 58");
    expect(server.ask(proof("client", challenge))).toBe("7f 29 24");
  });

  it("takes no proof for an old challenge", () => {
    const server = bench();
    const old = challengeOf(server.ask(showing("client")));
    server.ask(showing("client"));
    expect(server.ask(proof("client", old))).toBe("7f 29 58");
  });

  it("makes no session keys out of ephemeral ones", () => {
    const server = bench();
    const request = proof("client", challengeOf(server.ask(showing("client"))));
    expect(server.ask(`${request.slice(0, -4)} 0001 00`)).toBe("7f 29 31");
  });
});

describe("0x29 challenge and response", () => {
  const message = (challenge: Uint8Array, client = new Uint8Array(0)) =>
    joined(text("otabench client"), challenge, client);
  const challengeFor = (server: ServerBench, indicator: string): Uint8Array =>
    fieldsOf(server.ask(`29 05 00 ${indicator}`), 19)[0] as Uint8Array;

  it("takes the right HMAC", () => {
    const server = bench({ challengeResponse: { type: "symmetric", key: KEY } });
    const challenge = challengeFor(server, HMAC);
    const response = sized(nodeCrypto.hmacSha256(KEY, message(challenge)));
    expect(server.ask(`29 06 ${HMAC} ${response} 0000 0000`)).toMatch(/^69 06 12 06 08 2a .* 00 00$/);
  });

  it("proves itself with an HMAC of its own", () => {
    const server = bench({ challengeResponse: { type: "symmetric", key: KEY } });
    const challenge = challengeFor(server, HMAC);
    const response = sized(nodeCrypto.hmacSha256(KEY, message(challenge, CLIENT_CHALLENGE)));
    const answer = server.ask(`29 07 ${HMAC} ${response} ${sized(CLIENT_CHALLENGE)} 0000`);
    const [own] = fieldsOf(answer, 19) as [Uint8Array];
    const expected = nodeCrypto.hmacSha256(KEY, joined(text("otabench server"), CLIENT_CHALLENGE, challenge));
    expect(toHex(own)).toBe(toHex(expected));
  });

  it("takes the right signature", () => {
    const clientKey = nodeCrypto.readCertificate(certificate("client"))?.publicKey as Uint8Array;
    const server = bench({ challengeResponse: { type: "asymmetric", clientKey } });
    const signature = nodeCrypto.sign(
      "ECDSA-P256-SHA256",
      privateKey("client"),
      message(challengeFor(server, ECDSA)),
    ) as Uint8Array;
    expect(server.ask(`29 06 ${ECDSA} ${sized(signature)} 0000 0000`)).toMatch(/^69 06 12/);
  });

  it.each([
    ["refuses a wrong response with 58", `29 06 ${HMAC} 0001 00 0000 0000`, "7f 29 58"],
    ["refuses another algorithm", `29 06 ${ECDSA} 0001 00 0000 0000`, "7f 29 31"],
    ["wants a challenge for itself where both sides are to be proven", `29 07 ${HMAC} 0000 0000 0000`, "7f 29 31"],
    ["takes no additional parameter", `29 06 ${HMAC} 0000 0000 0001 00`, "7f 29 31"],
    ["wants whole fields", `29 06 ${HMAC} 0000 0000`, "7f 29 13"],
  ])("%s", (_title, request, response) => {
    const server = bench({ challengeResponse: { type: "symmetric", key: KEY } });
    server.ask(`29 05 00 ${HMAC}`);
    expect(server.ask(request)).toBe(response);
  });

  it("wants a challenge to be asked for first", () => {
    const server = bench({ challengeResponse: { type: "symmetric", key: KEY } });
    expect(server.ask(`29 06 ${HMAC} 0001 00 0000 0000`)).toBe("7f 29 24");
  });

  it("gives no challenge for another algorithm, nor for session keys", () => {
    const server = bench({ challengeResponse: { type: "symmetric", key: KEY } });
    expect(server.ask(`29 05 00 ${ECDSA}`)).toBe("7f 29 31");
    expect(server.ask(`29 05 01 ${HMAC}`)).toBe("7f 29 31");
    expect(server.ask("29 05 00")).toBe("7f 29 13");
  });
});

describe("being authenticated", () => {
  const guarded = () => bench({ certificates: EXCHANGE, services: [0x22, 0x2e] });

  it("opens the services that want it, which are answered with 34 before", () => {
    const server = guarded();
    expect(server.ask("22 f1 86")).toBe("7f 22 34");
    authenticate(server);
    expect(server.ask("22 f1 86")).toBe("62 f1 86 01");
  });

  it("is looked at after the session and before security", () => {
    const server = guarded();
    expect(server.ask("2e f1 5b 01")).toBe("7f 2e 7f");
    server.ask("10 03");
    server.ask("10 02");
    expect(server.ask("2e f1 5b 01")).toBe("7f 2e 34");
    authenticate(server);
    expect(server.ask("2e f1 5b 01")).toBe("7f 2e 33");
  });

  it.each([
    ["deAuthenticate", (server: ServerBench) => server.ask("29 00")],
    ["the default session", (server: ServerBench) => server.ask("10 01")],
    ["S3", (server: ServerBench) => server.after(s(5))],
    ["another certificate that is shown", (server: ServerBench) => server.ask(showing("client"))],
  ])("ends with %s", (_title, end) => {
    const server = guarded();
    server.ask("10 03");
    authenticate(server);
    server.ask("10 02");
    expect(server.ask("22 f1 86")).toBe("62 f1 86 02");
    end(server);
    expect(server.ask("22 f1 86")).toBe("7f 22 34");
  });

  it("goes on in a fork, and so does a proof that is waited for", () => {
    const server = guarded();
    const challenge = challengeOf(server.ask(showing("client")));
    const fork = guarded();
    fork.world.restore(server.world.snapshot());
    expect(fork.ask(proof("client", challenge))).toBe(COMPLETE);
    expect(bytes(fork.ask("22 f1 86")).length).toBe(4);
  });
});
