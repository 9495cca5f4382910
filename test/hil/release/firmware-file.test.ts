import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { toHex } from "../../../emulator/wire/text.ts";
import { type FirmwareOptions, readFirmware } from "../../../hil/release/firmware.ts";
import { readFirmwareFile } from "../../../hil/release/firmware-file.ts";

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
const read = (text: string, options?: FirmwareOptions) => readFirmware(bytesOf(text), options);
const code = (name: string) => expect.objectContaining({ code: name });

/** One Intel HEX record with its checksum made right. */
function hexRecord(type: number, address: number, ...data: readonly number[]): string {
  const bytes = [data.length, address >> 8, address & 0xff, type, ...data];
  const sum = bytes.reduce((total, byte) => total + byte, 0);
  return `:${toHex(Uint8Array.from([...bytes, -sum & 0xff])).toUpperCase()}\n`;
}
const HEX_END = hexRecord(1, 0);

/** One S-record with its checksum made right. @param addressLength bytes */
function sRecord(type: number, addressLength: number, address: number, ...data: readonly number[]): string {
  const addressBytes = Array.from(
    { length: addressLength },
    (_, index) => Math.floor(address / 256 ** (addressLength - 1 - index)) % 256,
  );
  const bytes = [addressLength + data.length + 1, ...addressBytes, ...data];
  const sum = bytes.reduce((total, byte) => total + byte, 0);
  return `S${type}${toHex(Uint8Array.from([...bytes, ~sum & 0xff])).toUpperCase()}\n`;
}
const S_END = sRecord(9, 2, 0);

describe("an Intel HEX file", () => {
  it("gives base address and data, with gaps filled with FF, whatever the order of its records", () => {
    const text = hexRecord(0, 0x0106, 7, 8) + hexRecord(0, 0x0100, 1, 2, 3) + HEX_END;
    expect(read(text)).toEqual({
      format: "intel-hex",
      baseAddress: 0x0100,
      data: Uint8Array.of(1, 2, 3, 0xff, 0xff, 0xff, 7, 8),
    });
  });

  it("may lie anywhere in 32 bits, such as where a TriCore has its flash", () => {
    const text = hexRecord(4, 0, 0x80, 0x0d) + hexRecord(0, 0x2000, 1) + HEX_END;
    expect(read(text)).toMatchObject({ baseAddress: 0x800d2000 });
    const last = hexRecord(4, 0, 0xff, 0xff) + hexRecord(0, 0xffff, 1) + HEX_END;
    expect(read(last)).toMatchObject({ baseAddress: 0xffff_ffff });
  });

  it("may have a record that runs over 64 KiB of a linear address", () => {
    const text =
      hexRecord(4, 0, 0, 1) + hexRecord(0, 0xffff, 1, 2) + hexRecord(4, 0, 0, 2) + hexRecord(0, 1, 3) + HEX_END;
    expect(read(text)).toMatchObject({ baseAddress: 0x1_ffff, data: Uint8Array.of(1, 2, 3) });
  });

  it("may have segment addresses and start addresses", () => {
    const text = hexRecord(2, 0, 0x12, 0x34) + hexRecord(0, 0x0010, 9) + hexRecord(3, 0, 0, 0, 0, 0) + HEX_END;
    expect(read(text)).toMatchObject({ baseAddress: 0x12350, data: Uint8Array.of(9) });
    expect(read(hexRecord(0, 0, 1) + hexRecord(5, 0, 0, 0, 0, 0) + HEX_END)).toMatchObject({ baseAddress: 0 });
  });

  it("may have any line ends, blank lines, lower case and a control-Z at its end", () => {
    const plain = hexRecord(0, 0, 0xab, 0xcd) + HEX_END;
    for (const text of [
      plain.replaceAll("\n", "\r\n"),
      plain.replaceAll("\n", "\r"),
      `\n${plain}\n\n`,
      `${plain}\u001a\n`,
    ])
      expect(read(text).data).toEqual(Uint8Array.of(0xab, 0xcd));
    expect(read(plain.toLowerCase()).data).toEqual(Uint8Array.of(0xab, 0xcd));
    expect(read(plain.trimEnd()).data).toEqual(Uint8Array.of(0xab, 0xcd));
  });

  it("is refused when a checksum is wrong, with the line", () => {
    expect(() => read(`${hexRecord(0, 0, 1)}:0100010001FE\n${HEX_END}`)).toThrow(/line 2: .* add up to 1 modulo 256/);
    expect(() => read(`:0100000001FF\n${HEX_END}`)).toThrow(code("FIRMWARE_CHECKSUM"));
  });

  it("is refused when it is cut", () => {
    const text = hexRecord(0, 0, 1, 2, 3);
    expect(() => read(text)).toThrow(code("FIRMWARE_TRUNCATED"));
    expect(() => read(text.slice(0, -4), { format: "intel-hex" })).toThrow(code("FIRMWARE_MALFORMED"));
  });

  it("is refused when two records give the same address", () => {
    const text = hexRecord(0, 0, 1, 2) + hexRecord(0, 1, 3) + HEX_END;
    expect(() => read(text)).toThrow(/line 2: 0x00000001 has been given already/);
    expect(() => read(text)).toThrow(code("FIRMWARE_OVERLAP"));
  });

  it("is refused when a record is not what the format knows", () => {
    const wrong = [
      hexRecord(6, 0, 1),
      hexRecord(4, 0, 1),
      hexRecord(2, 0, 0, 0) + hexRecord(0, 0xffff, 1, 2),
      hexRecord(4, 0, 0xff, 0xff) + hexRecord(0, 0xffff, 1, 2),
      ":00000\n",
      ":0200000001FD\n",
      "hello\n",
      `${HEX_END}${hexRecord(0, 0, 1)}`,
    ];
    for (const text of wrong)
      expect(() => read(hexRecord(0, 0x10, 1) + text + HEX_END)).toThrow(code("FIRMWARE_MALFORMED"));
  });

  it("is refused when there is nothing in it, or when it spans more than allowed", () => {
    expect(() => read(HEX_END)).toThrow(code("FIRMWARE_EMPTY"));
    const far = hexRecord(0, 0, 1) + hexRecord(4, 0, 0xff, 0xff) + hexRecord(0, 0, 1) + HEX_END;
    expect(() => read(far)).toThrow(code("FIRMWARE_TOO_LARGE"));
    expect(() => read(hexRecord(0, 0, 1, 2) + HEX_END, { sizeMax: 1 })).toThrow(code("FIRMWARE_TOO_LARGE"));
  });
});

describe("a file of S-records", () => {
  it("gives base address and data for each length of address, descending records and gaps included", () => {
    for (const [type, length, address] of [
      [1, 2, 0x1000],
      [2, 3, 0x10_1000],
      [3, 4, 0x800d_2000],
    ] as const) {
      const records = sRecord(type, length, address + 4, 5) + sRecord(type, length, address, 1, 2);
      expect(read(sRecord(0, 2, 0, 0x48) + records + sRecord(10 - type, length, 0))).toEqual({
        format: "s-record",
        baseAddress: address,
        data: Uint8Array.of(1, 2, 0xff, 0xff, 5),
      });
    }
  });

  it("is refused when a checksum is wrong, with the line", () => {
    expect(() => read(`${sRecord(1, 2, 0, 1)}S1040001AA51\n${S_END}`)).toThrow(/line 2: .* add up to 0 modulo 256/);
    expect(() => read(`S1040001AA51\n${S_END}`)).toThrow(code("FIRMWARE_CHECKSUM"));
  });

  it("may end in a right count in place of an end record", () => {
    expect(read(sRecord(1, 2, 0, 1) + sRecord(5, 2, 1)).data).toEqual(Uint8Array.of(1));
    const more = sRecord(1, 2, 0, 1) + sRecord(5, 2, 1) + sRecord(1, 2, 1, 2);
    expect(() => read(more)).toThrow(code("FIRMWARE_TRUNCATED"));
  });

  it("is refused when it ends too early or has fewer records than it counts", () => {
    expect(() => read(sRecord(1, 2, 0, 1))).toThrow(code("FIRMWARE_TRUNCATED"));
    expect(() => read(sRecord(1, 2, 0, 1) + sRecord(5, 2, 2) + S_END)).toThrow(code("FIRMWARE_TRUNCATED"));
    expect(read(sRecord(1, 2, 0, 1) + sRecord(5, 2, 1) + S_END).data).toEqual(Uint8Array.of(1));
    expect(read(sRecord(1, 2, 0, 1) + sRecord(6, 3, 1) + S_END).data).toEqual(Uint8Array.of(1));
  });

  it("is refused when records overlap, are of no known type, or stand behind the end", () => {
    expect(() => read(sRecord(1, 2, 0, 1, 2) + sRecord(1, 2, 1, 3) + S_END)).toThrow(code("FIRMWARE_OVERLAP"));
    const malformed = [
      sRecord(4, 3, 0),
      "S1\n",
      "S103\n",
      "SXYZ\n",
      "S10400010\n",
      sRecord(9, 2, 0, 1),
      sRecord(5, 2, 0),
      S_END + S_END,
    ];
    for (const text of malformed)
      expect(() => read(sRecord(1, 2, 0, 1) + text + S_END)).toThrow(code("FIRMWARE_MALFORMED"));
    expect(() => read(sRecord(0, 2, 0, 1) + S_END)).toThrow(code("FIRMWARE_EMPTY"));
  });
});

describe("the format of a firmware file", () => {
  it("follows from its first line", () => {
    expect(read(`\r\n  ${hexRecord(0, 0, 1)}${HEX_END}`).format).toBe("intel-hex");
    expect(read(sRecord(1, 2, 0, 1) + S_END).format).toBe("s-record");
    for (const text of [":", ":00", "S9", "S1x", "Something", ":abcdefghij"]) expect(read(text).format).toBe("raw");
  });

  it("can be given, against what the first line looks like", () => {
    expect(read(HEX_END, { format: "raw" }).data).toEqual(bytesOf(HEX_END));
    expect(() => read(HEX_END, { format: "s-record" })).toThrow(code("FIRMWARE_MALFORMED"));
  });

  it("raw needs at least one byte and has base address 0", () => {
    expect(readFirmware(Uint8Array.of(0, 1))).toEqual({ format: "raw", baseAddress: 0, data: Uint8Array.of(0, 1) });
    expect(() => readFirmware(new Uint8Array())).toThrow(code("FIRMWARE_EMPTY"));
    expect(() => readFirmware(new Uint8Array(5), { sizeMax: 4 })).toThrow(code("FIRMWARE_TOO_LARGE"));
  });

  it("is read from disk, with the path told in every error", () => {
    const folder = mkdtempSync(join(tmpdir(), "otabench-firmware-"));
    try {
      const path = join(folder, "a.hex");
      expect(() => readFirmwareFile(path)).toThrow(code("FIRMWARE_UNREADABLE"));
      writeFileSync(path, `:0100000001FF\n${HEX_END}`);
      expect(() => readFirmwareFile(path)).toThrow(code("FIRMWARE_CHECKSUM"));
      expect(() => readFirmwareFile(path)).toThrow(/a\.hex: line 1/);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe("the name of a firmware file", () => {
  const folder = mkdtempSync(join(tmpdir(), "otabench-firmware-name-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const fileOf = (name: string, text: string): string => {
    const path = join(folder, name);
    writeFileSync(path, text);
    return path;
  };

  it.each(["a.hex", "a.HEX", "a.ihex", "a.ihx", "a.s19", "a.s28", "a.s37", "a.srec", "a.mot"])(
    "%s promises records, and anything else in it is refused with its line",
    (name) => {
      for (const text of ["hello\n", "\ufeff:0100000000FF\n", "<html>404</html>"])
        expect(() => readFirmwareFile(fileOf(name, text)), text).toThrow(code("FIRMWARE_MALFORMED"));
      expect(() => readFirmwareFile(fileOf(name, "hello\n"))).toThrow(/line 1: /);
    },
  );

  it("says less than a first line that is a record, and nothing of other names", () => {
    expect(readFirmwareFile(fileOf("b.hex", sRecord(1, 2, 0, 1) + S_END)).format).toBe("s-record");
    expect(readFirmwareFile(fileOf("b.bin", hexRecord(0, 0, 1) + HEX_END)).format).toBe("intel-hex");
    expect(readFirmwareFile(fileOf("b.fw", "hello\n")).format).toBe("raw");
  });

  it("does not matter for an ELF file, which is what no flash holds", () => {
    for (const name of ["c.elf", "c.bin", "c.hex"])
      expect(() => readFirmwareFile(fileOf(name, "\u007fELF\u0001\u0001"))).toThrow(code("FIRMWARE_MALFORMED"));
  });
});

describe("firmware readers", () => {
  it("give data or a named error, whatever the text is", () => {
    const line = fc.oneof(
      fc.string({ unit: fc.constantFrom(..."S:0123456789ABCDEFabcdef \r\n".split("")), maxLength: 40 }),
      fc.constantFrom(HEX_END, S_END, hexRecord(0, 0, 1, 2), sRecord(1, 2, 0, 1, 2), hexRecord(4, 0, 0xff, 0xff)),
    );
    fc.assert(
      fc.property(fc.array(line, { maxLength: 6 }), fc.constantFrom("intel-hex", "s-record"), (lines, format) => {
        try {
          expect(read(lines.join(""), { format }).data.length).toBeGreaterThan(0);
        } catch (error) {
          expect(error).toMatchObject({ code: expect.stringMatching(/^FIRMWARE_/) });
        }
      }),
      { numRuns: 500 },
    );
  });
});
