import { makeSrupRig, srupRig } from "../conformance/update-source/srup-rig.ts";
import type { UpdateSystem } from "../conformance/update-source/update-system.ts";
import { startMosquitto } from "../interop/support/mosquitto.ts";
import { ownServerRow } from "./own-server.ts";
import type { MatrixRow } from "./row.ts";

/** A cut is within one session here. */
const row = (system: UpdateSystem): MatrixRow => ownServerRow({ ...system, resumes: true }, "PACKAGE_VERSION_OLDER");

const overMosquitto: MatrixRow = {
  ...row(makeSrupRig(startMosquitto)),
  peer: "our server, over mosquitto",
  judges: ["mosquitto"],
};

export const srupRows: readonly MatrixRow[] = [row(srupRig), overMosquitto];
