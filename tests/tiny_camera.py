"""A camera on this machine that speaks as a test tells it to."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager


@contextmanager
def camera(serve: Callable[[socket.socket, int], None]) -> Iterator[str]:
    """A camera on this machine: `serve` speaks on each connection, counted from 0."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        server.settimeout(0.2)
        stopped = threading.Event()

        def accept() -> None:
            number = 0
            while not stopped.is_set():
                try:
                    connection, _ = server.accept()
                except TimeoutError:
                    continue
                with closing(connection):
                    serve(connection, number)
                number += 1

        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield f"tcp://127.0.0.1:{server.getsockname()[1]}"
        finally:
            stopped.set()
            thread.join()
