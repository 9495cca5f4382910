import { describe, expect, it } from "vitest";
import { deviceSettings } from "../../../hil/system/settings.ts";

describe("the settings of a device", () => {
  it.each([undefined, "", "0x1a", "someone"])("need a device that confirms an observed join: %s", (observer) => {
    expect(() => deviceSettings("srup", { join: "observed", observer })).toThrow(/--observer ID/);
    expect(deviceSettings("srup", { join: "human", observer: undefined })).toMatchObject({ join: "human" });
  });

  it("take one that is an identity", () => {
    expect(deviceSettings("srup", { join: "observed", observer: "1a" })).toMatchObject({ observer: "1a" });
  });
});
