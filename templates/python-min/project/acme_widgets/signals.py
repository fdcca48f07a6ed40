"""The signals that tell the service to end."""

import signal
import socket


def listen() -> socket.socket:
    """A socket that can be read once SIGTERM or SIGINT has come.

    The system gives a signal to any thread, but Python runs handlers in the main
    one alone, and does not wake it for that. The wakeup socket is written to at once.
    """
    told, tell = socket.socketpair()
    tell.setblocking(False)
    signal.set_wakeup_fd(tell.detach())
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    return told
