"""python3 -m acme_widgets runs the service until SIGTERM."""

import sys
import threading

from acme_widgets import app, config, log, signals
# msctl:if store=sqlite
from acme_widgets import database
# msctl:end


def main() -> int:
    try:
        settings = config.load()
    except config.ConfigError as err:
        print(err, file=sys.stderr)
        return 2
    log.configure(settings)
    told = signals.listen()

    ready = _always
    # msctl:if store=sqlite
    database.open_database(settings.database)
    ready = database.ready
    # msctl:end
    server = app.build(settings, ready)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    log.log("info", "listening", host=settings.host, port=server.server_port)
    told.recv(1)
    all_done = server.drain(settings.delay, settings.grace)
    log.log("info" if all_done else "error", "stopped" if all_done else "stopped; requests were cut")
    return 0 if all_done else 1


def _always() -> bool:
    return True


if __name__ == "__main__":
    sys.exit(main())
