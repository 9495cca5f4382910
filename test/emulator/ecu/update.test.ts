import { describe, expect, it } from "vitest";
import { ms, s } from "../../../emulator/kernel/time.ts";
import { EcuBench, IMAGE_KEY, image, OTHER_KEY, smallEcu, UPDATED, uint32 } from "./support/ecu-bench.ts";

describe("an ECU as it leaves the factory", () => {
  it("starts the image of bank A within the time of its start-up", () => {
    const bench = EcuBench.running();
    expect(bench.core.running).toMatchObject({ bank: "A", version: "1.0.0", spare: "B" });
    expect(bench.version()).toBe("1.0.0");
    expect(bench.now).toBeGreaterThan(ms(260));
    expect(bench.now).toBeLessThan(ms(300));
  });

  it("stays in its bootloader when there is no image, and answers there", () => {
    const bench = new EcuBench();
    bench.powerOn();
    expect(bench.core.running).toMatchObject({ bank: "none", version: "0.0.0" });
    expect(bench.version()).toBe("0.0.0");
    expect(bench.ask("22 f1 80")).toBe("62 f1 80 01 31 2e 30 2e 30");
  });

  it("can be programmed from its bootloader", () => {
    const bench = new EcuBench();
    bench.powerOn();
    expect(bench.update(image("1.2.3"))).toBe(`${UPDATED}, 1.2.3`);
    bench.after(s(3));
    expect(bench.core.metadata.banks.B).toEqual({ status: "valid", starts: 0 });
  });
});

describe("an update", () => {
  it("puts the new image on trial in the other bank, where it confirms itself after a healthy run", () => {
    const bench = EcuBench.running();
    expect(bench.update(image("1.1.0"))).toBe(`${UPDATED}, 1.1.0`);
    expect(bench.core.running?.bank).toBe("B");
    expect(bench.core.metadata.banks).toEqual({ A: { status: "valid", starts: 0 }, B: { status: "trial", starts: 1 } });
    bench.after(s(2));
    expect(bench.events("boot.confirmed")).toHaveLength(0); // being stored
    bench.after(ms(100));
    expect(bench.events("boot.confirmed")).toMatchObject([{ bank: "B", version: "1.1.0" }]);
    expect(bench.core.metadata.banks.B).toEqual({ status: "valid", starts: 0 });
  });

  it("can follow another one, back into bank A", () => {
    const bench = EcuBench.running();
    bench.update(image("1.1.0"));
    bench.after(s(3));
    expect(bench.update(image("1.2.0"))).toBe(`${UPDATED}, 1.2.0`);
    expect(bench.core.running?.bank).toBe("A");
  });

  it("keeps what it has when the bus of the tester only allows blocks that do not fill flash pages", () => {
    const bench = EcuBench.running();
    bench.enterProgramming();
    const data = image("1.1.0");
    expect(bench.download(data, 241)).toBe("77");
    expect(bench.ask("31 01 ff 02")).toBe("71 01 ff 02 00");
    expect(bench.core.readFlash(bench.config.banks.address.B, data.length)).toEqual(data);
  });

  it("does not begin while the image that runs has not confirmed itself", () => {
    const bench = EcuBench.running();
    bench.update(image("1.1.0"));
    bench.enterProgramming();
    expect(bench.ask("31 01 ff 00")).toBe("7f 31 22");
    bench.ask("3e 00");
    bench.after(s(2.5));
    expect(bench.ask("31 01 ff 00")).toBe("71 01 ff 00 00");
  });

  it("takes the order of a tester that unlocks in the programming session and leaves the memory check out", () => {
    const bench = EcuBench.running();
    const data = image("2.0.0");
    expect(bench.ask("10 03").slice(0, 5)).toBe("50 03");
    expect(bench.ask("10 02").slice(0, 5)).toBe("50 02");
    expect(bench.unlock()).toBe("67 02");
    expect(bench.download(data, 4064)).toBe("77");
    expect(bench.ask("31 01 ff 01")).toBe("71 01 ff 01 00");
    expect(bench.ask("11 01")).toBe("51 01");
    bench.untilRunning();
    expect(bench.version()).toBe("2.0.0");
  });
});

describe("the check of what was written", () => {
  const base = image("1.1.0");
  const flipped = (index: number): Uint8Array => base.map((octet, at) => (at === index ? octet ^ 0x10 : octet));
  const cases: readonly (readonly [string, Uint8Array, string, string])[] = [
    ["a header without its magic number", flipped(0), "01", "headerMalformed"],
    ["a size that is larger than the bank", flipped(10), "02", "sizeWrong"],
    ["one flipped byte of code", flipped(4096 + 1234), "03", "crcWrong"],
    ["one flipped byte of the digest", flipped(308), "04", "digestWrong"],
    ["one flipped byte of the signature", flipped(540), "05", "signatureWrong"],
    ["the version changed after signing", flipped(5), "05", "signatureWrong"],
    ["the signature of somebody else", image("1.1.0", { key: OTHER_KEY }), "05", "signatureWrong"],
    ["an image for another ECU", image("1.1.0", { ecu: "ECU_012" }), "06", "ecuWrong"],
    ["an image for other hardware", image("1.1.0", { hardwareVersion: "2.0.0" }), "07", "hardwareWrong"],
    ["a truncated image", base.subarray(0, 5000), "03", "crcWrong"],
  ];

  it.each(cases)("refuses %s", (_title, data, status, result) => {
    const bench = EcuBench.running();
    bench.enterProgramming();
    expect(bench.download(data)).toBe("77");
    expect(bench.ask("31 01 ff 02")).toBe(`71 01 ff 02 ${status}`);
    expect(bench.ask("31 01 ff 01")).toBe(`71 01 ff 01 ${status}`);
    expect(bench.events("boot.checked").at(-1)).toMatchObject({ bank: "B", result });
    bench.ask("11 01");
    bench.untilRunning();
    expect(bench.version()).toBe("1.0.0");
    expect(bench.update(image("1.2.0"))).toBe(`${UPDATED}, 1.2.0`);
  });

  it("refuses an image whose security counter is below the anti-rollback counter", () => {
    const bench = new EcuBench();
    bench.core.provision(image("1.0.0", { securityCounter: 5 }), { rollbackFloor: 5 });
    bench.powerOn();
    bench.enterProgramming();
    bench.download(image("1.1.0", { securityCounter: 4 }));
    expect(bench.ask("31 01 ff 02")).toBe("71 01 ff 02 08");
    expect(bench.ask("31 01 ff 01")).toBe("71 01 ff 01 08");
  });

  it("looks again when the dependencies are checked after the bank was erased", () => {
    const bench = EcuBench.running();
    bench.enterProgramming();
    bench.download(image("1.1.0"));
    expect(bench.ask("31 01 ff 02")).toBe("71 01 ff 02 00");
    bench.ask("31 01 ff 00");
    expect(bench.ask("31 01 ff 01")).toBe("71 01 ff 01 01");
  });

  it("is refused while a download is under way, and not put on trial is what was not programmed", () => {
    const bench = EcuBench.running();
    bench.enterProgramming();
    bench.ask("31 01 ff 00");
    bench.ask(`34 00 44 ${uint32(bench.config.banks.window)} 00000100`);
    expect(bench.ask("31 01 ff 02")).toBe("7f 31 24");
    expect(bench.ask("31 01 ff 01")).toBe("7f 31 24");
    const second = EcuBench.running();
    second.update(image("1.1.0"));
    second.after(s(3));
    second.enterProgramming();
    expect(second.ask("31 01 ff 01")).toBe("7f 31 24"); // bank A holds the old image, valid and not programmed anew
  });
});

describe("a trial", () => {
  it("that hangs is ended by the watchdog, and after three failed starts the old image is back", () => {
    const bench = EcuBench.running(smallEcu({ behaviours: [{ name: "crashOnTrial" }] }));
    bench.enterProgramming();
    bench.download(image("1.1.0"));
    bench.ask("31 01 ff 01");
    bench.ask("11 01");
    bench.untilRunning();
    expect(bench.ask("22 f1 95", ms(100))).toBe("no response");
    bench.after(s(4));
    expect(bench.version()).toBe("1.0.0");
    expect(bench.events("boot.started").map(({ bank, trial }) => `${bank}${trial}`)).toEqual([
      "A0",
      "B1",
      "B1",
      "B1",
      "A0",
    ]);
    expect(bench.events("ecu.reset").map(({ cause }) => cause)).toEqual([
      "hardReset",
      "watchdog",
      "watchdog",
      "watchdog",
    ]);
    expect(bench.events("boot.reverted")).toMatchObject([{ from: "B", to: "A", why: "startsExceeded" }]);
    expect(bench.core.metadata.banks.B.status).toBe("empty");
  });

  it("survives two crashes when the third start is healthy", () => {
    const bench = EcuBench.running(smallEcu({ behaviours: [{ name: "crashOnTrial", times: 2 }] }));
    bench.enterProgramming();
    bench.download(image("1.1.0"));
    bench.ask("31 01 ff 01");
    bench.ask("11 01");
    bench.after(s(6));
    expect(bench.version()).toBe("1.1.0");
    expect(bench.core.metadata.banks.B).toEqual({ status: "valid", starts: 0 });
  });

  it("is ended by three power cuts before the confirmation too", () => {
    const bench = EcuBench.running();
    bench.update(image("1.1.0"));
    for (let cut = 0; cut < 3; cut++) {
      bench.after(s(1));
      bench.powerOff();
      bench.powerOn();
    }
    expect(bench.version()).toBe("1.0.0");
  });
});

describe("revert and commit", () => {
  const updated = (counter: number): EcuBench => {
    const bench = EcuBench.running();
    bench.update(image("1.1.0", { securityCounter: counter }));
    return bench;
  };

  it("31 01 0301 takes an unconfirmed image back at the next reset", () => {
    const bench = updated(2);
    bench.enterProgramming();
    expect(bench.ask("31 01 03 01")).toBe("71 01 03 01 00");
    expect(bench.version()).toBe("1.1.0");
    bench.ask("11 01");
    bench.untilRunning();
    expect(bench.version()).toBe("1.0.0");
    expect(bench.events("boot.reverted")).toMatchObject([{ from: "B", to: "A", why: "commanded" }]);
    expect(bench.core.metadata.banks.B.status).toBe("empty");
    bench.after(s(3));
    expect(bench.update(image("1.2.0"))).toBe(`${UPDATED}, 1.2.0`);
  });

  it("31 01 0301 takes a confirmed image back as well, until the commit has raised the counter", () => {
    const bench = updated(2);
    bench.after(s(3));
    bench.enterProgramming();
    expect(bench.ask("31 01 03 02")).toBe("71 01 03 02 00");
    expect(bench.core.metadata.rollbackFloor).toBe(2);
    expect(bench.ask("31 01 03 01")).toBe("7f 31 22"); // 1.0.0 has counter 1
  });

  it("31 01 0301 is refused when there is nothing to go back to", () => {
    const bench = EcuBench.running();
    bench.enterProgramming();
    expect(bench.ask("31 01 03 01")).toBe("7f 31 22");
  });

  it("31 01 0302 is refused before the image has confirmed itself, and never lowers the counter", () => {
    const bench = updated(7);
    bench.enterProgramming();
    expect(bench.ask("31 01 03 02")).toBe("7f 31 22");
    expect(bench.core.metadata.rollbackFloor).toBe(0);
    bench.after(s(4));
    expect(bench.ask("31 01 03 02")).toBe("71 01 03 02 00");
    bench.powerOff();
    bench.powerOn();
    expect(bench.core.metadata.rollbackFloor).toBe(7);
    bench.enterProgramming();
    bench.download(image("1.2.0", { securityCounter: 6 }));
    expect(bench.ask("31 01 ff 01")).toBe("71 01 ff 01 08");
    expect(bench.ask("31 01 03 02")).toBe("71 01 03 02 00");
    expect(bench.core.metadata.rollbackFloor).toBe(7);
  });

  it("the counter keeps an older image from being started even when the metadata names it", () => {
    const bench = new EcuBench();
    bench.core.provision(image("1.0.0", { securityCounter: 1 }), { rollbackFloor: 2 });
    bench.powerOn();
    expect(bench.core.running?.bank).toBe("none");
    expect(bench.events("boot.checked")).toMatchObject([{ bank: "A", result: "rolledBack" }]);
  });
});

describe("an image that is no longer what it was", () => {
  it("is not started; the other bank is", () => {
    const config = smallEcu();
    const bench = EcuBench.running(config);
    bench.update(image("1.1.0"));
    bench.after(s(3));
    bench.powerOff();
    // Another key in the ECU makes every image that it holds a foreign one.
    const stranger = new EcuBench(smallEcu({ imagePublicKey: OTHER_KEY.publicKey }));
    stranger.world.restore(bench.world.snapshot());
    stranger.powerOn();
    expect(stranger.core.running?.bank).toBe("none");
    expect(
      stranger
        .events("boot.checked")
        .slice(-2)
        .map(({ result }) => result),
    ).toEqual(["signatureWrong", "signatureWrong"]);
    expect(IMAGE_KEY.publicKey).not.toEqual(OTHER_KEY.publicKey);
  });
});

describe("boot metadata of which both copies are lost", () => {
  it("keeps every image from running; the anti-rollback counter is that of the images, and the ECU can be programmed", () => {
    const bench = EcuBench.running(smallEcu(), "1.0.0", { securityCounter: 3 });
    bench.powerOff();
    const state = bench.core.save();
    const { application } = state.areas;
    const blank = application.dataFlash.memory.pieces.map(() => new Uint8Array(4096).fill(0xff));
    const dataFlash = { ...application.dataFlash, memory: { pieces: blank } };
    bench.core.load({ ...state, areas: { ...state.areas, application: { ...application, dataFlash } } });
    bench.powerOn();
    expect(bench.core.running?.bank).toBe("none");
    bench.enterProgramming();
    bench.download(image("1.1.0", { securityCounter: 2 }));
    expect(bench.ask("31 01 ff 01")).toBe("71 01 ff 01 08");
    expect(bench.update(image("1.2.0", { securityCounter: 3 }))).toBe(`${UPDATED}, 1.2.0`);
    bench.after(s(3));
    expect(bench.core.metadata.rollbackFloor).toBe(3);
  });
});

describe("programming", () => {
  const ready = (): EcuBench => {
    const bench = EcuBench.running();
    bench.enterProgramming();
    return bench;
  };

  it.each([
    ["an address before the bank", "44 800d1fff 00000010", "7f 31 31"],
    ["a range that ends behind the bank", "44 800d2000 00008001", "7f 31 31"],
    ["a range that begins behind the bank", "44 ffffffff ffffffff", "7f 31 31"],
    ["nothing", "44 800d2000 00000000", "7f 31 31"],
    ["an unknown format", "50 800d2000 00000010", "7f 31 31"],
    ["a range cut short", "44 800d2000 000000", "7f 31 13"],
    ["more than a range", "44 800d2000 00000010 00", "7f 31 13"],
  ])("refuses to erase %s, and nothing has changed then", (_title, option, answer) => {
    const bench = ready();
    bench.update(image("1.1.0"));
    bench.after(s(3));
    bench.enterProgramming();
    expect(bench.ask(`31 01 ff 00 ${option}`)).toBe(answer);
    expect(bench.core.metadata.banks.A.status).toBe("valid");
  });

  it("erases only the sectors that the range touches", () => {
    const bench = ready();
    bench.ask("31 01 ff 00 44 800d3fff 00000002");
    expect(bench.events("flash.eraseStarted").at(-1)).toMatchObject({
      address: bench.config.banks.address.B,
      length: 0x4000,
    });
  });

  it.each([
    ["behind the bank", "44 800d2000 00008001", "7f 34 31"],
    ["that is not on a flash page", "44 800d2010 00000010", "7f 34 31"],
    ["of no bytes", "44 800d2000 00000000", "7f 34 31"],
  ])("refuses a download %s", (_title, range, answer) => {
    const bench = ready();
    bench.ask("31 01 ff 00");
    expect(bench.ask(`34 00 ${range}`)).toBe(answer);
  });

  it("refuses a download into a bank that was not given up, and into cells that are not erased", () => {
    const bench = ready();
    bench.update(image("1.1.0"));
    bench.after(s(3));
    bench.enterProgramming();
    expect(bench.ask("34 00 44 800d2000 00001000")).toBe("7f 34 22");
    bench.ask("31 01 ff 00 44 800d4000 00000100"); // gives bank A up, and leaves its first sector as it is
    expect(bench.ask("34 00 44 800d2000 00001000")).toBe("7f 34 70");
    expect(bench.ask("34 00 44 800d4000 00001000")).toBe("74 20 0f e2");
  });

  it("writes the fingerprint, which outlives the power", () => {
    const bench = ready();
    expect(bench.ask("22 f1 5b")).toBe("7f 22 31");
    expect(bench.ask("2e f1 5b 20 26 11 21")).toBe("6e f1 5b");
    bench.powerOff();
    bench.powerOn();
    expect(bench.ask("22 f1 5b f1 86")).toBe("62 f1 5b 20 26 11 21 f1 86 01");
  });

  it("answers the identity in every session", () => {
    const bench = EcuBench.running();
    expect(bench.ask("22 f1 8b")).toBe("62 f1 8b 20 26 01 01");
    for (const did of ["80", "86", "87", "8a", "8b", "8c", "90", "91", "93", "95"]) {
      expect(bench.ask(`22 f1 ${did}`).slice(0, 8)).toBe(`62 f1 ${did}`);
    }
  });
});

describe("a misbehaviour", () => {
  it("strikes from its occurrence on, as often as it says", () => {
    const behaviours = [{ name: "negativeResponse", sid: 0x3e, nrc: 0x22, occurrence: 2, times: 2 }] as const;
    const bench = EcuBench.running(smallEcu({ behaviours }));
    const answers = Array.from({ length: 4 }, () => bench.ask("3e 00"));
    expect(answers).toEqual(["7e 00", "7f 3e 22", "7f 3e 22", "7e 00"]);
  });

  it("that refuses a block ends the download, and a busy answer does not", () => {
    const bench = EcuBench.running();
    bench.core.misbehave({ name: "negativeResponse", sid: 0x36, nrc: 0x21, atBlock: 2 });
    bench.enterProgramming();
    bench.ask("31 01 ff 00");
    bench.ask("34 00 44 800d2000 00000060");
    const block = "00".repeat(32);
    expect(bench.ask(`36 01 ${block}`)).toBe("76 01");
    expect(bench.ask(`36 02 ${block}`)).toBe("7f 36 21");
    expect(bench.ask(`36 02 ${block}`)).toBe("76 02");
    bench.core.misbehave({ name: "negativeResponse", sid: 0x36, nrc: 0x72 });
    expect(bench.ask(`36 03 ${block}`)).toBe("7f 36 72");
    expect(bench.ask(`36 03 ${block}`)).toBe("7f 36 24");
  });

  it("without an answer does nothing either", () => {
    const bench = EcuBench.running();
    bench.core.misbehave({ name: "noResponse", sid: 0x10 });
    expect(bench.ask("10 03", ms(100))).toBe("no response");
    expect(bench.ask("22 f1 86")).toBe("62 f1 86 01");
  });
});
