import { expect, it } from "vitest";
import { makeKeys } from "../../../hil/crypto/keys.ts";
import { certificateText, identityTexts } from "../../../hil/crypto/named-certificate.ts";

const { tls } = makeKeys("named");
const certificate = { path: "server.pem", text: tls.certificate };
const key = { path: "server.key.pem", text: tls.privateKey };

it("a certificate and its key are taken as they are named", () => {
  expect(certificateText(certificate)).toBe(tls.certificate);
  expect(identityTexts(certificate, key)).toEqual({ certificate: tls.certificate, privateKey: tls.privateKey });
});

it.each([
  ["the other way round", key, certificate, /^server\.key\.pem holds no certificate that can be read/],
  ["without a key", certificate, { path: "x", text: "nothing" }, /^x holds no private key that can be read/],
  [
    "with the key of another",
    { path: "ca.pem", text: tls.ca },
    key,
    /^the key in server\.key\.pem is not that of the certificate in ca\.pem$/,
  ],
] as const)("files named %s are a mistake of who named them", (_, first, second, message) => {
  expect(() => identityTexts(first, second)).toThrow(expect.objectContaining({ code: "USAGE" }));
  expect(() => identityTexts(first, second)).toThrow(message);
});
