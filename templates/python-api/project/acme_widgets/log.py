"""Log lines as JSON on stdout, with what the request at hand is known by."""

import logging
import sys
from datetime import UTC, datetime

import structlog
from structlog.contextvars import merge_contextvars
from structlog.typing import EventDict, Processor, WrappedLogger

from acme_widgets.config import Config


def configure(config: Config) -> None:
    """Set up structlog, and have what libraries log with logging go the same way."""

    def name(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        level, msg = event.pop("level"), event.pop("event")
        common = {"service": config.service_name, "instance": config.instance_id}
        return {"time": now, "level": "error" if level == "critical" else level, "msg": msg, **common, **event}

    processors: list[Processor] = [
        merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.format_exc_info,
        name,
    ]
    structlog.configure(
        processors=[*processors, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=processors,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(config.log_level.upper())
    logging.captureWarnings(True)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)  # each request has a line already
    # msctl:if store!=none
    logging.getLogger("alembic").setLevel(logging.WARNING)
    # msctl:end


def get() -> structlog.stdlib.BoundLogger:
    logger: structlog.stdlib.BoundLogger = structlog.get_logger()
    return logger
