import os
import signal
import sys
import threading
import unittest

from acme_widgets import signals


class SignalsTest(unittest.TestCase):
    def setUp(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            self.addCleanup(signal.signal, number, signal.getsignal(number))
        self.told = signals.listen()
        self.addCleanup(self.told.close)
        self.addCleanup(lambda: os.close(signal.set_wakeup_fd(-1)))

    def test_a_signal_is_seen_while_the_main_thread_runs_no_handler(self) -> None:
        self.told.settimeout(10)
        begin, ended = threading.Lock(), threading.Lock()
        begin.acquire()
        ended.acquire()
        seen = []

        def other() -> None:
            with begin:
                signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
                try:
                    seen.append(self.told.recv(1))
                finally:
                    ended.release()

        thread = threading.Thread(target=other)
        thread.start()
        # So that the other goes on only once this one sleeps.
        self.addCleanup(sys.setswitchinterval, sys.getswitchinterval())
        sys.setswitchinterval(100)
        begin.release()
        ended.acquire()
        thread.join()
        self.assertEqual(seen, [bytes([signal.SIGTERM])])
