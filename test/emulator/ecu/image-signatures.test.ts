import { describe, expect, it } from "vitest";
import { decodeImageHeader, IMAGE_SIGNATURES, type ImageSignatureName } from "../../../emulator/wire/image-header.ts";
import { imageKey, makeKeys } from "../../../hil/crypto/keys.ts";
import { EcuBench, image, smallEcu, UPDATED } from "./support/ecu-bench.ts";

const KEYS = makeKeys("ecu image signatures");
const NAMES = Object.keys(IMAGE_SIGNATURES) as ImageSignatureName[];

const configured = (name: ImageSignatureName) =>
  smallEcu({ imageSignature: name, imagePublicKey: imageKey(KEYS, name).publicKey });
const running = (name: ImageSignatureName): EcuBench =>
  EcuBench.running(configured(name), "1.0.0", { key: imageKey(KEYS, name) });

/** The same page with another signature code: an image that says of itself what it is not. */
function relabelled(whole: Uint8Array, code: number): Uint8Array {
  const copy = whole.slice();
  copy[340] = code;
  return copy;
}

describe.each(NAMES)("an ECU that is configured for %s", (name) => {
  it("starts, checks and takes images that are signed so", () => {
    expect(running(name).update(image("1.1.0", { key: imageKey(KEYS, name) }))).toBe(`${UPDATED}, 1.1.0`);
  });

  it.each(NAMES.filter((other) => other !== name))(
    "refuses an image signed by %s, then takes the right one",
    (other) => {
      const bench = running(name);
      bench.enterProgramming();
      bench.download(image("1.1.0", { key: imageKey(KEYS, other) }));
      expect(bench.ask("31 01 ff 02")).toBe("71 01 ff 02 05");
      expect(bench.ask("31 01 ff 01")).toBe("71 01 ff 01 05");
      expect(bench.download(image("1.1.0", { key: imageKey(KEYS, name) }))).toBe("77");
      expect(bench.ask("31 01 ff 01")).toBe("71 01 ff 01 00");
    },
  );

  it("refuses an image that lies about how it is signed, or is not signed", () => {
    const whole = image("1.1.0", { key: imageKey(KEYS, name) });
    for (const code of [0, 1, 2, 3, 4, 255]) {
      if (code === IMAGE_SIGNATURES[name].code) continue;
      const bench = running(name);
      bench.enterProgramming();
      bench.download(relabelled(whole, code));
      expect(bench.ask("31 01 ff 02")).toBe("71 01 ff 02 05");
    }
  });

  it("does not start an image that is signed otherwise, even from the factory", () => {
    const other = NAMES.find((each) => each !== name) as ImageSignatureName;
    const bench = EcuBench.running(configured(name), "1.0.0", { key: imageKey(KEYS, other) });
    expect(bench.core.running?.bank).toBe("none");
    expect(bench.events("boot.checked")).toMatchObject([{ bank: "A", result: "signatureWrong" }]);
  });
});

describe("the largest signature", () => {
  it("fits into the header page", () => {
    const decoded = decodeImageHeader(image("1.0.0", { key: KEYS.imageMlDsa65 }));
    expect(decoded).toMatchObject({ type: "imageHeader", header: { signatureAlgorithm: 3 } });
  });
});
