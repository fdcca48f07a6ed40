// Makes node_modules, with what package-lock.json names; at once when it is there already.
// --no-dev leaves out what only tests and linters need.

import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const LEAST = 24; // runs TypeScript as it stands, and has SQLite
const LIMIT = 600_000; // for another setup; milliseconds

const root = new URL("../", import.meta.url);
const stamp = new URL("node_modules/.locked", root);
const lock = new URL(".setup.lock", root);

async function main(noDev) {
  if (Number(process.versions.node.split(".")[0]) < LEAST) {
    console.error(`want Node ${LEAST} or newer, this is ${process.versions.node}: https://nodejs.org`);
    return 1;
  }
  await wait();
  try {
    return await setup(noDev);
  } finally {
    rmSync(lock);
  }
}

/** Waits for whoever runs this already: msctl up does, and you may. */
async function wait() {
  for (let waited = 0; waited < LIMIT; waited += 100) {
    try {
      writeFileSync(lock, String(process.pid), { flag: "wx" });
      return;
    } catch (err) {
      if (err.code !== "EEXIST") {
        throw err;
      }
    }
    const pid = existsSync(lock) ? readFileSync(lock, "utf8") : "";
    if (pid && !runs(Number(pid))) {
      rmSync(lock, { force: true }); // it was cut short
    } else {
      await sleep(100);
    }
  }
  throw new Error("another setup takes more than 10 minutes; if there is none, remove .setup.lock");
}

function runs(pid) {
  try {
    return process.kill(pid, 0);
  } catch (err) {
    return err.code === "EPERM";
  }
}

async function setup(noDev) {
  const made = existsSync(stamp) ? readFileSync(stamp, "utf8") : "";
  if (made === digest("all") || (noDev && made === digest("runtime"))) {
    return 0;
  }
  rmSync(stamp, { force: true }); // what is cut short is begun again
  const flags = ["--no-audit", "--no-fund", "--loglevel=error", ...(noDev ? ["--omit=dev"] : [])];
  const npm = process.platform === "win32" ? "npm.cmd" : "npm";
  console.log("npm installs what package-lock.json locks");
  const stdio = ["inherit", "ignore", "inherit"]; // what is wrong is on stderr
  const child = spawn(npm, ["ci", ...flags], { cwd: fileURLToPath(root), stdio });
  for (const signal of ["SIGINT", "SIGTERM"]) {
    process.on(signal, () => child.kill(signal)); // and the lock goes with it
  }
  const [status] = await once(child, "close");
  if (status !== 0) {
    return status ?? 1; // it has said why
  }
  writeFileSync(stamp, digest(noDev ? "runtime" : "all"));
  return 0;
}

function digest(what) {
  const locked = readFileSync(new URL("package-lock.json", root));
  return createHash("sha256").update(what).update(process.version).update(locked).digest("hex");
}

try {
  process.exit(await main(process.argv.includes("--no-dev")));
} catch (err) {
  console.error(err.message);
  process.exit(1);
}
