import { httpsRig } from "./https-rig.ts";
import { testUpdateSystem } from "./suite.ts";

testUpdateSystem(httpsRig);
