import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Prng } from "../../emulator/kernel/prng.ts";
import { readFirmware } from "../../hil/release/firmware.ts";
import { readFirmwareFile } from "../../hil/release/firmware-file.ts";
import { describeWithJudge, PYTHON3 } from "../support/judges.ts";

const FIRMWARE = new URL("../../fixtures/firmware/", import.meta.url).pathname;
const TEXT_FILES = ["avrgirl-leonardo-blink.hex", "avrgirl-leonardo-firmata.hex", "tomu-toboot.s19"] as const;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "otabench-interop-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

const srecCat = (...args: readonly string[]): void => {
  execFileSync("srec_cat", args, { cwd: folder, stdio: ["ignore", "ignore", "pipe"] });
};
const inputFormat = (name: string): string => (name.endsWith(".hex") ? "-Intel" : "-Motorola");

describeWithJudge("srec_cat", "srec_cat", () => {
  it.each(TEXT_FILES)("reads the same bytes from %s", (name) => {
    const { baseAddress, data } = readFirmwareFile(join(FIRMWARE, name));
    const range = [String(baseAddress), String(baseAddress + data.length)];
    const moved = ["-offset", String(-baseAddress)];
    srecCat(
      join(FIRMWARE, name),
      inputFormat(name),
      "-fill",
      "0xff",
      ...range,
      ...moved,
      "-Output",
      "a.bin",
      "-Binary",
    );
    expect(data).toEqual(new Uint8Array(readFileSync(join(folder, "a.bin"))));
  });

  describe.each([
    ["Intel HEX", "-Intel", "intel-hex"],
    ["S-records", "-Motorola", "s-record"],
  ] as const)("writing %s", (_name, option, format) => {
    it.each([0, 0x1_fff0, 0x800d_2000, 0xff00_0000])("is understood at address %i", (address) => {
      const data = new Prng(address).bytes(3000);
      writeFileSync(join(folder, "b.bin"), data);
      srecCat("b.bin", "-Binary", "-offset", String(address), "-Output", "b.txt", option);
      const firmware = readFirmwareFile(join(folder, "b.txt"));
      expect(firmware).toEqual({ format, baseAddress: address, data });
    });

    it("is understood with gaps, which are FF", () => {
      const data = new Prng("gaps").bytes(4096);
      writeFileSync(join(folder, "c.bin"), data);
      srecCat("c.bin", "-Binary", "-exclude", "100", "300", "1000", "4000", "-Output", "c.txt", option);
      const expected = data.map((byte, index) =>
        (index >= 100 && index < 300) || (index >= 1000 && index < 4000) ? 0xff : byte,
      );
      expect(readFirmwareFile(join(folder, "c.txt")).data).toEqual(expected);
    });
  });

  it("refuses one changed digit where we refuse it", () => {
    for (const name of TEXT_FILES) {
      const digits = readFileSync(join(FIRMWARE, name), "latin1").split("");
      const at = 30;
      digits[at] = digits[at] === "0" ? "1" : "0";
      const text = digits.join("");
      writeFileSync(join(folder, "d.txt"), text);
      expect(() => srecCat("d.txt", inputFormat(name), "-Output", "d.bin", "-Binary")).toThrow();
      expect(() => readFirmware(new TextEncoder().encode(text))).toThrow(
        expect.objectContaining({ code: "FIRMWARE_CHECKSUM" }),
      );
    }
  });
});

describeWithJudge("python3-intelhex", "python3-intelhex", () => {
  const script = [
    "import sys, intelhex",
    "image = intelhex.IntelHex(sys.argv[1])",
    "image.padding = 0xff",
    "sys.stdout.write('%d %s' % (image.minaddr(), image.tobinstr().hex()))",
  ].join("\n");
  const judge = (path: string): string =>
    execFileSync(PYTHON3, ["-c", script, path], { encoding: "utf8", maxBuffer: 1 << 24 });
  const ours = (path: string): string => {
    const { baseAddress, data } = readFirmwareFile(path);
    return `${baseAddress} ${Buffer.from(data).toString("hex")}`;
  };

  it.each(TEXT_FILES.filter((name) => name.endsWith(".hex")))("reads the same bytes from %s", (name) => {
    expect(ours(join(FIRMWARE, name))).toBe(judge(join(FIRMWARE, name)));
  });

  it("writes what we read, in any of 32 bits of address and with gaps", () => {
    const write = [
      "import sys, intelhex",
      "image = intelhex.IntelHex()",
      "for base in (0x800d2000, 0x800e0ff0, 0x80100000):",
      "    for index in range(200): image[base + index] = (base + 7 * index) & 0xff",
      "image.write_hex_file(sys.argv[1])",
    ].join("\n");
    const path = join(folder, "python.hex");
    execFileSync(PYTHON3, ["-c", write, path]);
    expect(ours(path)).toBe(judge(path));
  });
});
