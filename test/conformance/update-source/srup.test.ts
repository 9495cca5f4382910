import { srupRig } from "./srup-rig.ts";
import { testUpdateSystem } from "./suite.ts";

testUpdateSystem(srupRig);
