"""One JSON object a line, with the keys of Go's slog, so that every service logs alike."""

import json
import sys
from datetime import datetime, timezone


def log(level, msg, **fields):
    """Write one line to stdout at once."""
    entry = {"time": datetime.now(timezone.utc).isoformat(), "level": level, "msg": msg, **fields}
    sys.stdout.write(json.dumps(entry) + "\n")
    sys.stdout.flush()
