"""Log lines as JSON on stdout, with what the request at hand is known by."""

import json
import sys
import threading
from contextvars import ContextVar
from datetime import datetime, timezone
from typing import Any

from acme_widgets.config import LEVELS, Config

# request has trace_id, span_id and request_id while a request is answered.
request: ContextVar[dict[str, str]] = ContextVar("request", default={})

_lock = threading.Lock()
_common: dict[str, str] = {}
_least = 0


def configure(config: Config) -> None:
    global _least
    _common.update(service=config.service, instance=config.instance)
    _least = LEVELS.index(config.log_level)


def log(level: str, msg: str, **more: Any) -> None:
    if LEVELS.index(level) < _least:
        return
    now = datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    line = {"time": now, "level": level, "msg": msg, **_common, **request.get(), **more}
    text = json.dumps(line, default=str) + "\n"
    with _lock:
        sys.stdout.write(text)
        sys.stdout.flush()
