"""Serving, and the end of it."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import Iterator

import uvicorn
from fastapi import FastAPI

from acme_widgets import log
from acme_widgets.config import Config
from acme_widgets.observe import Draining

IDLE_SECONDS = 75
# LAST_SECONDS is how long a request on its way may take to be read, once nobody is let in any more.
LAST_SECONDS = 0.05


class Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield  # serve listens for them

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        await asyncio.sleep(LAST_SECONDS)
        await super().shutdown(sockets)


async def serve(app: FastAPI, config: Config, draining: Draining) -> bool:
    """Answer requests until a signal comes, and then those that are left. Return whether all were answered in time."""
    listener = socket.create_server(
        (config.host, config.port), family=socket.AF_INET6 if ":" in config.host else socket.AF_INET, backlog=2048
    )
    server = Server(
        uvicorn.Config(app, log_config=None, access_log=False, server_header=False, timeout_keep_alive=IDLE_SECONDS)
    )
    told = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(NotImplementedError):  # as on Windows, where Ctrl-C raises KeyboardInterrupt
            asyncio.get_running_loop().add_signal_handler(number, told.set)
    serving = asyncio.create_task(server.serve([listener]))
    log.get().info("listening", host=config.host, port=listener.getsockname()[1])

    signalled = asyncio.create_task(told.wait())
    await asyncio.wait({serving, signalled}, return_when=asyncio.FIRST_COMPLETED)
    signalled.cancel()
    draining.begun = True
    log.get().info("draining")
    if not serving.done():
        await asyncio.sleep(config.shutdown_delay)
        server.should_exit = True
        await asyncio.wait({serving}, timeout=config.shutdown_grace)
    if serving.done():
        await serving  # raises what ended it
        return True
    log.get().error("requests were cut", seconds=config.shutdown_grace)
    return False
