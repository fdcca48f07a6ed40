// Starts the service, and ends it.

import { pino } from "pino";
import { build } from "./app.ts";
import { type Config, ConfigError, load } from "./config.ts";
import { Store } from "./database.ts";
import { options } from "./log.ts";
import { serve } from "./server.ts";
import * as traces from "./traces.ts";

async function run(config: Config): Promise<number> {
  const log = pino(options(config));
  const spans = await traces.configure(config);
  try {
    const store = await Store.open(config);
    try {
      // msctl:if store!=none
      await store.migrate();
      // msctl:end
      const draining = { begun: false };
      return (await serve(build(config, log, store, draining), config, log, draining)) ? 0 : 1;
    } finally {
      await store.close();
    }
  } catch (err) {
    log.error({ err }, "the service failed");
    return 1;
  } finally {
    await spans.shutdown();
  }
}

let config: Config;
try {
  config = load();
} catch (err) {
  if (!(err instanceof ConfigError)) {
    throw err;
  }
  console.error(err.message);
  process.exit(2);
}
process.exit(await run(config)); // what is still being answered may never end
