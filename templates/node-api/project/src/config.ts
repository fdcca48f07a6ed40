// What the environment says.

/** A variable has a value that it cannot have. */
export class ConfigError extends Error {}

export const LEVELS = ["debug", "info", "warning", "error"] as const;

export type Config = {
  host: string;
  port: number;
  service: string;
  version: string;
  instance: string;
  level: (typeof LEVELS)[number];
  // msctl:if store!=none
  database: string;
  // msctl:end
  /** Milliseconds. */
  grace: number;
  /** Milliseconds. */
  delay: number;
  /** Whether spans are sent; where to is up to the exporter, which reads OTEL_EXPORTER_OTLP_*. */
  traces: boolean;
};

// msctl:if store=sqlite
const DATABASE = "sqlite:data/acme-widgets.db";

// msctl:end
// msctl:if store=postgres
const DATABASE = "postgres://localhost/acme-widgets";

// msctl:end
/** Reads the variables; one that is empty counts as not set. */
export function load(env: NodeJS.ProcessEnv = process.env): Config {
  const service = env.SERVICE_NAME || "acme-widgets";
  const level = LEVELS.find((one) => one === (env.LOG_LEVEL || "info"));
  if (!level) {
    throw new ConfigError(`LOG_LEVEL: want one of ${LEVELS.join(", ")}, got "${env.LOG_LEVEL}"`);
  }
  return {
    host: env.HOST || "127.0.0.1",
    port: port(env.PORT || "8000"),
    service,
    version: env.SERVICE_VERSION || "0.1.0",
    instance: env.INSTANCE_ID || service,
    level,
    // msctl:if store!=none
    database: database(env.DATABASE_URL || DATABASE),
    // msctl:end
    grace: seconds("SHUTDOWN_GRACE", env.SHUTDOWN_GRACE || "10"),
    delay: seconds("SHUTDOWN_DELAY", env.SHUTDOWN_DELAY || "0"),
    traces: Boolean(env.OTEL_EXPORTER_OTLP_ENDPOINT),
  };
}

function port(text: string): number {
  if (!/^[0-9]{1,5}$/.test(text) || Number(text) > 65535) {
    throw new ConfigError(`PORT: want a number from 0 to 65535, got "${text}"`);
  }
  return Number(text);
}

function seconds(name: string, text: string): number {
  if (!/^[0-9]+(\.[0-9]+)?$/.test(text) || Number(text) > 3600) {
    throw new ConfigError(`${name}: want seconds from 0 to 3600, got "${text}"`);
  }
  return Number(text) * 1000;
}
// msctl:if store!=none

/** It does not repeat the URL: there may be a password in it. */
function database(url: string): string {
  // msctl:if store=sqlite
  const path = /^sqlite:(.*[^/].*)$/.exec(url)?.[1];
  if (path) {
    return path.replace(/^\/+/, "/");
  }
  // msctl:end
  // msctl:if store=postgres
  if (/^postgres(ql)?:\/\//.test(url)) {
    return url;
  }
  // msctl:end
  // msctl:if store=sqlite
  throw new ConfigError("DATABASE_URL: want sqlite: and a path");
  // msctl:end
  // msctl:if store=postgres
  throw new ConfigError("DATABASE_URL: want postgres://user@host/name");
  // msctl:end
}
// msctl:end
