import { describe, expect, it } from "vitest";
import { Prng } from "../../../emulator/kernel/prng.ts";
import { toSeconds } from "../../../emulator/kernel/time.ts";
import { IsoTpPair, type PairOptions } from "./isotp-pair.ts";

const IMAGE_LENGTH = 1024 * 1024;
const BLOCK_LENGTH = 4095;

/** 1 MiB of random bytes in TransferData requests of 4095 bytes, each answered at once; seconds on the bus. */
function downloadTime(options: PairOptions): { readonly seconds: number; readonly received: number } {
  const pair = new IsoTpPair(options);
  const image = new Prng("1 MiB").bytes(IMAGE_LENGTH);
  let offset = 0;
  let received = 0;
  const sendBlock = (): void => {
    const part = image.subarray(offset, offset + BLOCK_LENGTH - 2);
    if (part.length === 0) return;
    offset += part.length;
    const message = new Uint8Array(part.length + 2);
    message.set([0x36, (offset / (BLOCK_LENGTH - 2)) & 0xff]);
    message.set(part, 2);
    pair.testerChannel.send(message);
  };
  pair.ecuHears.onMessage = (data) => {
    received += data.length - 2;
    pair.ecuChannel.send(Uint8Array.of(0x76, data[1] as number));
  };
  pair.testerHears.onMessage = sendBlock;
  sendBlock();
  pair.end();
  return { seconds: toSeconds(pair.world.timeline.now), received };
}

describe("a download of 1 MiB, BS 0, STmin 0, no think time", () => {
  it("takes about 35.1 s at 500 kbit/s", () => {
    const { seconds, received } = downloadTime({});
    expect(received).toBe(IMAGE_LENGTH);
    expect(Math.abs(seconds / 35.1 - 1)).toBeLessThan(0.002);
  });

  it("takes about 5.87 s on CAN FD at 500 kbit/s and 2 Mbit/s, TX_DL 64", () => {
    expect(Math.abs(downloadTime({ dataBitRate: 2_000_000 }).seconds / 5.87 - 1)).toBeLessThan(0.01);
  });

  // 3.02 s takes BRS and the CRC delimiter for whole nominal bits. The rate changes at their sample points, so that the
  // two are one nominal and one data bit: 1.8 us less for each of 17 423 frames, 1.0 percent.
  it("takes about 3.02 s, less half a CRC delimiter and half a BRS a frame, on CAN FD at 5 Mbit/s", () => {
    expect(Math.abs(downloadTime({ dataBitRate: 5_000_000 }).seconds / (3.02 - 17_423 * 1.8e-6) - 1)).toBeLessThan(
      0.005,
    );
  });
});
