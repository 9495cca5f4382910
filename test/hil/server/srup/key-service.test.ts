import { createPrivateKey, generateKeyPairSync, type KeyObject, X509Certificate } from "node:crypto";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { registrationKey } from "../../../../gateway/source/srup/key-forms.ts";
import { makeRequest, readRequest } from "../../../../hil/crypto/csr.ts";
import { signaturesOf } from "../../../../hil/crypto/srup-keys.ts";
import { newKeys } from "../../../../hil/link/srup/device-identity.ts";
import { KeyClient } from "../../../../hil/link/srup/key-client.ts";
import { StateFile } from "../../../../hil/record/state-file.ts";
import { type KeyService, serverToken, startKeyService } from "../../../../hil/server/srup/key-service.ts";
import { KeyServiceState } from "../../../../hil/server/srup/key-service-state.ts";
import { bytesOf, pemOf, VECTORS } from "../../../gateway/source/srup/vectors.ts";

const DEVICE = "1a2b3c4d5e6f7081";
const SERVER = "b9d077e223834cf6";
const signatures = ["ed25519", "ml-dsa-65"] as const;
const key = createPrivateKey(pemOf("keys/observer.pem"));
const keys = {
  privateKey: pemOf("keys/device.pem"),
  publicKey: pemOf("keys/device.pub.pem"),
  accessKey: pemOf("keys/observer.pem"),
};

describe("the key service of SRUP", () => {
  let service: KeyService;
  let state: KeyServiceState;
  let kept: StateFile;
  let client: KeyClient;
  beforeEach(async () => {
    kept = new StateFile();
    state = new KeyServiceState(kept, () => key);
    service = await startKeyService({ state, broker: "mqtt://localhost" });
    client = new KeyClient(service.url, "");
  });
  afterEach(() => service.close());

  const registerServer = (token = serverToken(state, pemOf("keys/server.pub.pem"))): Promise<void> =>
    client.registerServer(SERVER, pemOf("keys/server.pub.pem"), token);
  const post = async (call: string, body: unknown): Promise<number> => {
    const answer = await fetch(`${service.url}/KeyEx/register/${call}`, { method: "POST", body: JSON.stringify(body) });
    return answer.status;
  };
  const get = async (call: string): Promise<number> => (await fetch(`${service.url}/KeyEx/register/${call}`)).status;

  it("tells a device of the broker and of the first server, and certifies it for the broker", async () => {
    await registerServer();
    const registration = await client.register(DEVICE, "gateway", keys);
    expect(registration).toMatchObject({ server: SERVER, access: { broker: "mqtt://localhost", ca: state.authority } });
    expect(registrationKey(registration.serverKey)).toBe(registrationKey(pemOf("keys/server.pub.pem")));
    const certificate = new X509Certificate(registration.access.certificate);
    expect(certificate.subject.split("\n")).toEqual(["C=UK", "ST=UNK", "L=UNK", "O=SRUP_DEVICE", `CN=${DEVICE}`]);
    expect(certificate.verify(new X509Certificate(state.authority).publicKey)).toBe(true);
    expect(await client.type(DEVICE)).toBe("gateway");
    expect(registrationKey((await client.key(DEVICE)) as string)).toBe(registrationKey(keys.publicKey));
  });

  it.each(signatures)("keeps both keys of whoever speaks version 6, and hands both out: %s", async (algorithm) => {
    const server = newKeys({ signatures: algorithm, makeKey: () => key });
    await client.registerServer(SERVER, server.publicKey, serverToken(state, server.publicKey));
    const device = newKeys({ signatures: algorithm, makeKey: () => key });
    const { serverKey, access } = await client.register(DEVICE, "default", device);
    expect(serverKey).toBe(server.publicKey.trimEnd());
    expect(await client.key(DEVICE)).toBe(device.publicKey.trimEnd());
    expect(signaturesOf((await client.key(DEVICE)) as string)).toBe(algorithm);
    expect(new X509Certificate(access.certificate).publicKey.asymmetricKeyType).toBe("rsa");
    expect(new KeyServiceState(kept, () => key).peer(DEVICE)?.key).toBe(device.publicKey);
  });

  it.each([
    [5, 6],
    [6, 5],
  ])(
    "tells a device early that its server does not speak its version: server %i, device %i",
    async (server, device) => {
      const made = (version: number) => newKeys({ signatures: version === 6 ? "ed25519" : "rsa", makeKey: () => key });
      const { publicKey } = made(server);
      await client.registerServer(SERVER, publicKey, serverToken(state, publicKey));
      await expect(client.register(DEVICE, "default", made(device))).rejects.toMatchObject({ code: "SRUP_VERSION" });
    },
  );

  it("registers no second key that can't sign, none in front of the RSA key, and no third one", async () => {
    await registerServer();
    const spki = (each: KeyObject): string => each.export({ format: "pem", type: "spki" }) as string;
    const rsa = keys.publicKey;
    const ed25519 = spki(generateKeyPairSync("ed25519").publicKey);
    const others = [
      rsa,
      spki(generateKeyPairSync("ec", { namedCurve: "prime256v1" }).publicKey),
      spki(generateKeyPairSync("ml-dsa-44").publicKey),
      spki(generateKeyPairSync("x25519").publicKey),
      `${ed25519}${ed25519}`,
      "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
    ];
    const register = (text: string): Promise<number> =>
      post("register", { identity: DEVICE, key: Buffer.from(text).toString("base64"), type: "default" });
    for (const other of others) expect(await register(rsa + other)).toBe(400);
    expect(await register(ed25519)).toBe(400);
    expect(await register(ed25519 + rsa)).toBe(400);
    expect(await register(rsa + ed25519)).toBe(201);
  });

  it("takes no server of version 6 whose token is not over both its keys", async () => {
    const [one, other] = [newKeys({ signatures: "ed25519" }), newKeys({ signatures: "ed25519" })];
    const [first = ""] = one.publicKey.split(/(?<=END PUBLIC KEY-----\n)/);
    const mixed = first + other.publicKey.split(/(?<=END PUBLIC KEY-----\n)/)[1];
    for (const of of [first, mixed]) {
      const token = serverToken(state, of);
      await expect(client.registerServer(SERVER, one.publicKey, token)).rejects.toMatchObject({
        code: "SRUP_KEY_SERVICE",
      });
    }
    expect(() => serverToken(state, "no key")).toThrow(expect.objectContaining({ code: "USAGE" }));
    await client.registerServer(SERVER, one.publicKey, serverToken(state, one.publicKey));
    expect(await get(`c2_check/${SERVER}`)).toBe(200);
  });

  it("registers nobody twice, nobody while it is inactive, and no device before a server", async () => {
    const asked = { identity: DEVICE, key: registrationKey(keys.publicKey), type: "default" };
    expect(await post("register", asked)).toBe(500);
    await registerServer();
    service.setActive(false);
    expect(await post("register", asked)).toBe(403);
    service.setActive(true);
    expect(await post("register", asked)).toBe(201);
    expect(await post("register", asked)).toBe(400);
  });

  it("takes no server without a token over its very key", async () => {
    await expect(registerServer(serverToken(state, pemOf("keys/device.pub.pem")))).rejects.toMatchObject({
      code: "SRUP_KEY_SERVICE",
    });
    expect(await get(`c2_check/${SERVER}`)).toBe(404);
    await registerServer();
    expect(await get(`c2_check/${SERVER}`)).toBe(200);
  });

  it("certifies nobody whose signature is another one's", async () => {
    await registerServer();
    await client.register(DEVICE, "default", keys);
    const forged = { ...keys, privateKey: pemOf("keys/observer.pem") };
    await expect(client.access(DEVICE, forged)).rejects.toMatchObject({ code: "SRUP_KEY_SERVICE" });
  });

  it.each([
    ["get_key/ffff", 404],
    ["get_type/ffff", 404],
    ["get_key/__proto__", 404],
    ["c2_check/XYZ", 400],
    ["nothing", 404],
  ])("answers what it does not know: %s", async (call, status) => {
    expect(await get(call)).toBe(status);
  });

  it.each(["register", "validate", "access", "c2/"])("answers 400 to a body that is none: %s", async (call) => {
    expect(await post(call, { identity: 7 })).toBe(400);
    expect(await post(call, { identity: DEVICE, key: "no", type: "x", csr: "no", signature: "no" })).toBe(400);
  });
});

describe("certificate requests", () => {
  const vector = VECTORS.find(({ name }) => name === "keyex/access-csr-signature");
  const pem = Buffer.from(bytesOf(vector?.fields.message_hex)).toString("latin1");

  it("are read as the original makes them", () => {
    expect(readRequest(pem)).toMatchObject({ commonName: DEVICE });
  });

  it("of ours name the organization by a string that may have an underscore", () => {
    const der = Buffer.from(makeRequest(DEVICE, key).replace(/-----[A-Z ]+-----|\s/g, ""), "base64");
    const strings = der.toString("latin1");
    expect(strings).toContain("\x0c\x0bSRUP_DEVICE");
    expect(strings).toContain(`\x0c\x10${DEVICE}`);
    expect(strings).toContain("\x13\x02UK");
  });

  it("are refused when anything in them has changed", () => {
    const body = Buffer.from(pem.replace(/-----[A-Z ]+-----|\s/g, ""), "base64");
    for (let at = 4; at < body.length; at += 7) {
      const changed = Uint8Array.from(body);
      changed[at] = (changed[at] as number) ^ 1;
      const text = Buffer.from(changed).toString("base64");
      const read = readRequest(`-----BEGIN CERTIFICATE REQUEST-----\n${text}\n-----END CERTIFICATE REQUEST-----\n`);
      expect(read?.commonName ?? DEVICE).toBe(DEVICE);
    }
    expect(readRequest("")).toBeUndefined();
    expect(readRequest(pem.slice(0, 200))).toBeUndefined();
  });
});
