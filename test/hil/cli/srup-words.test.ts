import { describe, expect, it } from "vitest";
import { deviceInput, serverInput, takeoverOf } from "../../../hil/cli/srup-words.ts";

describe("the words of otabench srup", () => {
  it.each([
    ["accept 1a", { type: "endJoin", device: "1a", outcome: "accept" }],
    ["activate 1a abc", { type: "activate", device: "1a", token: new TextEncoder().encode("abc") }],
    ["terminate 1a", { type: "release", device: "1a", how: "terminate" }],
    ["command 1a", { type: "commandJoin", device: "1a" }],
    [
      "data 1a temp int32:-5",
      { type: "sendData", peer: "1a", dataId: "temp", data: Uint8Array.of(251, 255, 255, 255) },
    ],
    [
      "data 1a n hello world",
      { type: "sendData", peer: "1a", dataId: "n", data: new TextEncoder().encode("hello world") },
    ],
    ["data 1a n uint64:18446744073709551615", { type: "sendData", data: new Uint8Array(8).fill(255) }],
    ["data 1a n int64:1e3", { type: "sendData", data: Uint8Array.of(232, 3, 0, 0, 0, 0, 0, 0) }],
    ["syndicate 1a http://b value", { type: "syndicationInit", device: "1a", url: "http://b", value: "value" }],
    ["syndicated-request 3 more", { type: "syndicatedC2Request", reqId: 3, data: new TextEncoder().encode("more") }],
  ])("mean an input of a server: %s", (line, input) => {
    expect(serverInput(line)).toMatchObject(input);
  });

  it.each([
    ["join simple", { type: "join", kind: "simple" }],
    ["join observed 7f", { type: "join", kind: "observed", observer: "7f" }],
    ["observed 7f valid", { type: "observed", device: "7f", verdict: "valid" }],
    ["action 1a 7", { type: "sendAction", peer: "1a", actionId: 7 }],
    ["resign", { type: "resign" }],
  ])("mean an input of a device: %s", (line, input) => {
    expect(deviceInput(line)).toEqual(input);
  });

  it("name the servers that may take a device away", () => {
    expect(takeoverOf("anyone")).toBe("anyone");
    expect(takeoverOf("1a,7f")).toEqual(["1a", "7f"]);
    for (const wrong of ["", "1a,", "nobody", "01"]) expect(() => takeoverOf(wrong)).toThrow();
  });

  it.each([
    "",
    "dance",
    "toString",
    "accept",
    "accept 0x1",
    "action 1a seven",
    "data 1a n uint8:256",
    "data 1a n int64:1.5",
    "data 1a n double:1-2",
  ])("are refused when they make no sense: '%s'", (line) => {
    expect(() => serverInput(line)).toThrow();
  });

  it.each(["join", "join twice", "observed 7f perhaps", "terminate 1a"])("are refused by a device: %s", (line) => {
    expect(() => deviceInput(line)).toThrow();
  });
});
