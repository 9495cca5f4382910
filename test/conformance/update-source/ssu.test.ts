import { ssuRig } from "./ssu-rig.ts";
import { testUpdateSystem } from "./suite.ts";

testUpdateSystem(ssuRig);
