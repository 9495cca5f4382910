import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { ms } from "../../../emulator/kernel/time.ts";
import { crc32 } from "../../../emulator/wire/crc32.ts";
import { encodeDoip } from "../../../emulator/wire/doip.ts";
import { toHex } from "../../../emulator/wire/text.ts";
import type { FamilyMode } from "../../../gateway/zonal/family/config.ts";
import { FamilyDiagnostics } from "../../../gateway/zonal/family/family-diagnostics.ts";
import { bytes } from "../tester/support/driven.ts";
import { ZoneBench } from "./support/zone-bench.ts";

const VMG = 0x0200;
const ZG = 0x0100;

interface Step {
  readonly req: string;
  readonly rsp: string;
}

const steps = (file: string): readonly Step[] => {
  const path = new URL(`../../../fixtures/vectors/doip/${file}.json`, import.meta.url);
  return (JSON.parse(readFileSync(path, "utf8")) as { steps: Step[] }).steps;
};

const node = (id: string, serialNumber: string) => ({ id, software: "0.0.0", hardware: "0.0.0", serialNumber });
const family113: FamilyMode = {
  name: "family-113",
  own: node("ECU_091", "091000001"),
  zone: [node("ECU_011", "011000001")],
  collected: true,
};
const family100: FamilyMode = { ...family113, name: "family-100" };

/** A tester that has activated routing and collects all bytes that come back. */
class Raw {
  readonly bench: ZoneBench;
  #heard = "";

  constructor(family: FamilyMode) {
    this.bench = new ZoneBench({ family });
    for (const { ecu } of this.bench.seats) ecu.powerOn();
    this.bench.run(ms(400));
    this.bench.stream.client.attach({
      opened: () => this.write(encodeDoip({ type: "routingActivationRequest", source: VMG, activationType: 0 })),
      received: (data) => {
        this.#heard += toHex(data);
      },
      closed: () => undefined,
    });
    this.bench.stream.client.open();
    this.bench.run(ms(10));
    this.#heard = "";
  }

  write(data: Uint8Array): void {
    this.bench.stream.client.send(data);
  }

  /** All that comes back to a request, as hex. */
  ask(request: string, target = ZG): string {
    this.#heard = "";
    this.write(encodeDoip({ type: "diagnosticMessage", source: VMG, target, data: bytes(request) }));
    this.bench.run(ms(50));
    return this.#heard;
  }
}

const diagnostics = (mode: FamilyMode) => {
  const machine = new FamilyDiagnostics(mode);
  return {
    machine,
    ask: (request: string): string => toHex(machine.answer(bytes(request.replaceAll(" ", ""))).response),
  };
};

describe("a zonal gateway with the manners of the family's", () => {
  it.each([
    ["uds-10-zgw113-basic", family113],
    ["uds-11-zgw113-zone-ota", family113],
    ["uds-20-zgw100-swpg", family100],
    ["uds-21-zgw100-bigendian-rejected", family100],
  ] as const)("answers byte for byte as the original does, without acknowledgements (%s)", (file, mode) => {
    const raw = new Raw(mode);
    for (const { req, rsp } of steps(file)) {
      const answer = raw.ask(req);
      expect([req.slice(0, 20), answer.slice(0, rsp.length)]).toEqual([req.slice(0, 20), rsp]);
      if (req !== "3101f002") expect(answer.length).toBe(rsp.length);
    }
  });

  it("refuses a service identifier that is sent twice, as the original does (uds-13)", () => {
    const raw = new Raw(family113);
    for (const { req, rsp } of steps("uds-13-zgw113-doubled-sid")) expect(raw.ask(req)).toBe(rsp);
  });

  it("takes it where it is told to, for a whole download", () => {
    const { ask } = diagnostics({ ...family113, doubledSids: true });
    const data = steps("uds-11-zgw113-zone-ota");
    expect(data.map(({ req }) => ask(req.slice(0, 2) + req))).toEqual(data.map(({ rsp }) => rsp.slice(24)));
  });

  it("sends its report after the answer that announces it", () => {
    const answer = new Raw(family113).ask("3101f002");
    const record = steps("uds-10-zgw113-basic")[1] as Step;
    expect(answer).toBe(`02fd80010000000a010002007101f002000202fd900000000061${record.rsp.slice(30)}`);
  });

  it("knows itself only until it has looked for the others, and again after a power cut", () => {
    const raw = new Raw({ ...family113, collected: false });
    const count = (): string => raw.ask("22f195").slice(30, 32);
    expect(count()).toBe("01");
    raw.ask("3101f001");
    expect(count()).toBe("02");
    raw.bench.gateway.powerOff();
    raw.bench.gateway.powerOn();
    expect(new FamilyDiagnostics({ ...family113, collected: false }).save().collected).toBe(false);
    expect(raw.bench.gateway.save().family?.collected).toBe(false);
  });

  it("has nothing to say about readiness before it was asked to find out", () => {
    const { ask } = diagnostics(family113);
    expect(ask("31 01 f0 04")).toBe("7101f00402");
    ask("31 01 f0 03");
    expect(ask("31 01 f0 04")).toBe("7101f004000155410001");
  });

  it("has no routines in version 1.0.0", () => {
    expect(diagnostics(family100).ask("31 01 f0 01")).toBe("7f3111");
  });

  it("does not see requests of 256 bytes and more", () => {
    expect(new Raw(family113).ask(`22f194${"00".repeat(253)}`)).toBe("");
  });

  it("passes requests on to the ECUs of its zone, without acknowledgements too", () => {
    expect(new Raw(family113).ask("3e00", 0x100b)).toBe("02fd800100000006100b02007e00");
  });

  it("goes on in a fork in the middle of a download", () => {
    const data = steps("uds-11-zgw113-zone-ota");
    const first = diagnostics(family113);
    for (const { req } of data.slice(0, 7)) first.ask(req);
    const second = diagnostics(family113);
    second.machine.load(first.machine.save());
    for (const { req, rsp } of data.slice(7)) expect(second.ask(req)).toBe(rsp.slice(24));
  });
});

describe("downloads of zone packages, 1.1.3", () => {
  /** A package whose checksum is right for its body, or for the last 4096 bytes of it. */
  function zonePackage(length: number, whole: boolean): Uint8Array {
    const data = new Uint8Array(length).fill(0x5a);
    const view = new DataView(data.buffer);
    view.setUint32(0, 0x5a4f4e45, true);
    const body = data.subarray(256);
    view.setUint32(36, crc32(whole ? body : body.subarray(Math.floor((body.length - 1) / 4096) * 4096)), true);
    return data;
  }

  function send(data: Uint8Array, mode = family113): string {
    const { ask } = diagnostics(mode);
    ask(`34 ${data.length.toString(16).padStart(8, "0")}`);
    for (let offset = 0; offset < data.length; offset += 240)
      ask(`36 77 ${toHex(data.subarray(offset, offset + 240))}`);
    return ask("37");
  }

  it("refuse a right checksum of more than 4096 bytes, and take that of the last piece", () => {
    expect(send(zonePackage(4096 + 256, true))).toBe("77");
    expect(send(zonePackage(4096 + 257, true))).toBe("7f3772");
    expect(send(zonePackage(100_000, false))).toBe("77");
  });

  it("refuse another magic, no body, and a size that was not announced", () => {
    const wrong = zonePackage(1000, true);
    wrong[0] = 0;
    expect(send(wrong)).toBe("7f3772");
    expect(send(zonePackage(256, true))).toBe("7f3772");
    const { ask } = diagnostics(family113);
    expect([ask("34 00000002"), ask("36 01 aabbcc"), ask("37"), ask("34 00000002")]).toEqual([
      "74",
      "7601",
      "7f3772",
      "7f3470",
    ]);
  });

  it("refuse more than 32 MiB, and requests that are too short", () => {
    const { ask } = diagnostics(family113);
    expect([ask("34 02000001"), ask("34 020000"), ask("34 00000002"), ask("36")]).toEqual([
      "7f3470",
      "7f3413",
      "74",
      "7f3613",
    ]);
  });

  it("keep no more than was announced, whatever comes", () => {
    const { ask, machine } = diagnostics(family113);
    ask("34 00000100");
    for (let block = 0; block < 2000; block++) ask(`36 00 ${"ff".repeat(240)}`);
    const { zone } = machine.save();
    expect(zone.name === "receiving" && zone.received.pieces.length).toBe(1);
  });
});

describe("downloads of SWPG, 1.0.0", () => {
  const package100 = (steps("uds-20-zgw100-swpg").slice(1, -1) as Step[]).map(({ req }) => req.slice(4)).join("");
  const begun = (size = "00000840") => {
    const { ask } = diagnostics(family100);
    ask(`34 00 44 00000000 ${size}`);
    return ask;
  };

  it.each([
    ["36 wants a download", "3601aa", "7f3624"],
    ["37 wants a download", "37", "7f3724"],
    ["34 wants whole fields", "3400440000", "7f3413"],
    ["34 wants its format", "3400", "7f3413"],
  ])("%s", (_title, request, response) => {
    expect(diagnostics(family100).ask(request)).toBe(response);
  });

  it.each([
    ["a second download", "340044000000000000084", "0", "7f3422"],
    ["a block without counter", "36", "", "7f3613"],
    ["a first block without the whole header", "3601", "00".repeat(63), "7f3613"],
    ["a package for nobody", "3601", `${package100.slice(0, 8)}0000${package100.slice(12, 128)}`, "7f3672"],
    ["a package without payload", "3601", `${package100.slice(0, 16)}00000000${package100.slice(24, 128)}`, "7f3672"],
    ["a package for all", "3601", `${package100.slice(0, 8)}ffff${package100.slice(12, 128)}`, "7f3631"],
    ["an end before all has come", "37", "", "7f3772"],
  ])("refuse %s", (_title, sid, rest, response) => {
    expect(begun()(sid + rest)).toBe(response);
  });

  it("count a header whose target was refused as received", () => {
    const ask = begun();
    expect(ask(`3601${package100.slice(0, 8)}ffff${package100.slice(12, 128)}`)).toBe("7f3631");
    expect(ask("3601aabb")).toBe("7601");
  });

  it("count blocks from 255 to 1", () => {
    const ask = begun("00001000");
    ask(`3601${package100.slice(0, 128)}`);
    for (let block = 2; block <= 255; block++) ask(`36${block.toString(16).padStart(2, "0")}00`);
    expect([ask("360000"), ask("360100")]).toEqual(["7f3673", "7601"]);
  });

  it("notice more than was announced from the second block on", () => {
    const ask = begun("00000041");
    expect([ask(`3601${package100.slice(0, 128)}`), ask("36020000"), ask("360200")]).toEqual([
      "7601",
      "7f3671",
      "7602",
    ]);
  });

  it("check a package for the gateway, and take those for others unseen", () => {
    const download = (target: string): string => {
      const ask = begun("00000042");
      ask(`3601${package100.slice(0, 8)}${target}${package100.slice(12, 128)}0000`);
      return ask("37");
    };
    expect(download("9100")).toBe("7f3772");
    expect(download("1100")).toBe("77");
  });
});
