"""Starts the service, and ends it."""

import asyncio
import os
import sys

from acme_widgets import config as environment
from acme_widgets import log, traces
from acme_widgets.app import build
from acme_widgets.database import Store
from acme_widgets.observe import Draining
from acme_widgets.server import serve


def main() -> int:
    try:
        config = environment.load()
    except environment.ConfigError as err:
        print(err, file=sys.stderr)
        return 2
    log.configure(config)
    spans = traces.configure(config)
    store = Store(config)
    draining = Draining()
    try:
        # msctl:if store!=none
        store.migrate()
        # msctl:end
        with asyncio.Runner() as runner:
            if not runner.run(serve(build(config, store, draining), config, draining)):
                spans.shutdown()
                os._exit(1)  # what is still being answered may never end
    except Exception:
        log.get().exception("the service failed")
        return 1
    finally:
        store.close()
        spans.shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
