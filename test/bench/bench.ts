import { benchFrames } from "./frames.ts";
import { benchGoodput } from "./goodput.ts";
import { goodputRows } from "./goodput-rows.ts";
import { benchLossyLink, lossyRows } from "./lossy-link.ts";
import { rows } from "./rows.ts";

// `npm run bench [-- words]`: how fast the virtual vehicle is, in frames a second of wall time on one core, and how fast the
// update systems are over loopback, compared with plain HTTPS in the same run, and ssu over a simulated link, in virtual time. Rows whose name does not have all the words
// in it are left out.
const words = process.argv.slice(2);
const isChosen = ({ name }: { readonly name: string }): boolean => words.every((word) => name.includes(word));

const frames = rows.filter(isChosen);
if (frames.length > 0) benchFrames(frames);
const goodput = goodputRows.filter(isChosen);
if (frames.length > 0 && goodput.length > 0) console.log();
if (goodput.length > 0) await benchGoodput(goodput);
const lossy = lossyRows.filter(isChosen);
if (frames.length + goodput.length > 0 && lossy.length > 0) console.log();
if (lossy.length > 0) benchLossyLink(lossy);
