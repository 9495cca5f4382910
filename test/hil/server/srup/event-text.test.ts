import { describe, expect, it } from "vitest";
import { eventText } from "../../../../hil/server/srup/c2-server.ts";

describe("what a terminal is told of SRUP", () => {
  it("shows data as text where it is text, and byte by byte where it is not", () => {
    const told = (data: Uint8Array): string => eventText({ type: "data", data } as { type: string });
    expect(told(new TextEncoder().encode("21 °C"))).toBe("data data=21 °C");
    expect(told(Uint8Array.of(0x41, 0xff))).toBe("data data=Aÿ");
  });
});
