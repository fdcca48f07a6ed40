// Makes node_modules, with what package-lock.json names; at once when it is there already.
// --no-dev leaves out what only tests and linters need.

import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const LEAST = 24; // runs TypeScript as it stands, and has SQLite

const root = new URL("../", import.meta.url);
const stamp = new URL("node_modules/.locked", root);

function main(noDev) {
  if (Number(process.versions.node.split(".")[0]) < LEAST) {
    console.error(`want Node ${LEAST} or newer, this is ${process.versions.node}: https://nodejs.org`);
    return 1;
  }
  const made = existsSync(stamp) ? readFileSync(stamp, "utf8") : "";
  if (made === digest("all") || (noDev && made === digest("runtime"))) {
    return 0;
  }
  rmSync(stamp, { force: true }); // what is cut short is begun again
  const flags = ["--no-audit", "--no-fund", "--loglevel=error", ...(noDev ? ["--omit=dev"] : [])];
  const npm = process.platform === "win32" ? "npm.cmd" : "npm";
  const { status, error } = spawnSync(npm, ["ci", ...flags], { cwd: fileURLToPath(root), stdio: "inherit" });
  if (error) {
    console.error(`npm: ${error.message}`);
  }
  if (status !== 0) {
    return status || 1; // it has said why
  }
  writeFileSync(stamp, digest(noDev ? "runtime" : "all"));
  return 0;
}

function digest(what) {
  const lock = readFileSync(new URL("package-lock.json", root));
  return createHash("sha256").update(what).update(process.version).update(lock).digest("hex");
}

process.exit(main(process.argv.includes("--no-dev")));
