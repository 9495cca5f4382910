import { describe, expect, it } from "vitest";
import { ms } from "../../../emulator/kernel/time.ts";
import { behaviourSchema } from "../../../hil/bench/behaviour-schema.ts";

describe("a misbehaviour in a file", () => {
  it.each<[Record<string, unknown>, Record<string, unknown>]>([
    [
      { name: "responsePendingForever", sid: 0x31 },
      { name: "responsePendingForever", sid: 0x31 },
    ],
    [
      { name: "answerAfterP2", sid: 0x22, byMs: 1.5, times: 2 },
      { name: "answerAfterP2", sid: 0x22, by: ms(1.5), times: 2 },
    ],
    [
      { name: "wrongCounterEcho", atBlock: 3 },
      { name: "wrongCounterEcho", sid: 0x36, atBlock: 3 },
    ],
    [
      { name: "resetInTheMiddle", atBlock: 1 },
      { name: "resetInTheMiddle", sid: 0x36, atBlock: 1, after: 0 },
    ],
    [
      { name: "hang", sid: 0x36, atBlock: 2 },
      { name: "hang", sid: 0x36, atBlock: 2 },
    ],
    [{ name: "seedNeverChanges" }, { name: "seedNeverChanges", seed: 0x5eed5eed }],
  ])("%j is %j to the ECU", (given, taken) => {
    expect(behaviourSchema.parse(given)).toEqual(taken);
  });

  it.each([
    { name: "responsePendingForever" },
    { name: "answerAfterP2", sid: 0x22 },
    { name: "answerAfterP2", sid: 0x22, byMs: -1 },
    { name: "wrongCounterEcho", atBlock: 0 },
    { name: "resetInTheMiddle", sid: 0x100 },
    { name: "seedNeverChanges", seed: 0 },
    { name: "seedNeverChanges", seed: 2 ** 32 },
    { name: "unheardOf" },
  ])("%j is refused", (given) => {
    expect(behaviourSchema.safeParse(given).success).toBe(false);
  });
});
