import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";
import { ConfigError, load } from "../src/config.ts";

test.each([
  ["PORT", "x"],
  ["PORT", "70000"],
  ["LOG_LEVEL", "loud"],
  ["SHUTDOWN_GRACE", "-1"],
  ["SHUTDOWN_DELAY", "NaN"],
])("%s=%s is refused", (name, value) => {
  expect(() => load({ [name]: value })).toThrow(ConfigError);
  expect(() => load({ [name]: value })).toThrow(new RegExp(`^${name}: want .*, got "${value}"$`));
});
// msctl:if store!=none

test("a database's URL is not repeated", () => {
  expect(() => load({ DATABASE_URL: "mysql://me:secret@x" })).toThrow(/^DATABASE_URL: want [^@]*(@host.*)?$/);
  expect(() => load({ DATABASE_URL: "mysql://me:secret@x" })).not.toThrow(/secret/);
});
// msctl:end

test("the service does not start with a wrong variable", () => {
  const env = { ...process.env, PORT: "x" };
  const { status, stdout, stderr } = spawnSync(process.execPath, ["src/main.ts"], { env, encoding: "utf8" });
  expect([status, stdout]).toEqual([2, ""]);
  expect(stderr).toMatch(/^PORT: want /);
});

test("what is empty is not set", () => {
  const config = load({ PORT: "", SERVICE_NAME: "other" });
  expect([config.port, config.instance]).toEqual([8000, "other"]);
});
