import { makeSrupRig } from "./srup-rig.ts";
import { testUpdateSystem } from "./suite.ts";

testUpdateSystem(makeSrupRig(undefined, "ml-dsa-65"));
