import { rsuRig } from "./rsu-rig.ts";
import { testUpdateSystem } from "./suite.ts";

testUpdateSystem(rsuRig);
