"""What the environment says."""

import os
from dataclasses import dataclass
from typing import Mapping

LEVELS = ("debug", "info", "warning", "error")


class ConfigError(Exception):
    """A variable has a value that it cannot have."""


@dataclass(frozen=True)
class Config:
    host: str
    port: int
    service: str
    version: str
    instance: str
    log_level: str
    # msctl:if store=sqlite
    database: str
    # msctl:end
    grace: float
    delay: float


def load(env: Mapping[str, str] = os.environ) -> Config:
    service = env.get("SERVICE_NAME") or "acme-widgets"
    level = env.get("LOG_LEVEL") or "info"
    if level not in LEVELS:
        raise ConfigError(f"LOG_LEVEL: want one of {', '.join(LEVELS)}, got {level!r}")
    return Config(
        host=env.get("HOST") or "127.0.0.1",
        port=_port(env.get("PORT") or "8000"),
        service=service,
        version=env.get("SERVICE_VERSION") or "0.1.0",
        instance=env.get("INSTANCE_ID") or service,
        log_level=level,
        # msctl:if store=sqlite
        database=_database(env.get("DATABASE_URL") or "sqlite:data/acme-widgets.db"),
        # msctl:end
        grace=_seconds(env, "SHUTDOWN_GRACE", "10"),
        delay=_seconds(env, "SHUTDOWN_DELAY", "0"),
    )


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > 65535:
        raise ConfigError(f"PORT: want a number from 0 to 65535, got {text!r}")
    return int(text)


def _seconds(env: Mapping[str, str], name: str, default: str) -> float:
    text = env.get(name) or default
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 3600:
        raise ConfigError(f"{name}: want seconds from 0 to 3600, got {text!r}")
    return seconds
# msctl:if store=sqlite


def _database(url: str) -> str:
    scheme, _, path = url.partition(":")
    if scheme != "sqlite" or not path:
        raise ConfigError(f"DATABASE_URL: want sqlite: and a path, got {url!r}")
    return "/" + path.lstrip("/") if path.startswith("//") else path
# msctl:end
