"""A short queue between a camera that does not wait and a consumer that may be slower."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from typing import Generic, TypeVar

T = TypeVar("T")

_LONGEST_WAIT_SECONDS = 0.5  # before looking again, should a signal's handler have closed the queue


class NewestQueue(Generic[T]):
    """Holds the newest items; when it is full the oldest goes, so memory and delay stay bounded.

    Args:
        max_items: that may wait.
    """

    def __init__(self, max_items: int) -> None:
        self._items: deque[T] = deque(maxlen=max_items)
        self._changed = threading.Condition()
        self._is_closed = False
        self.num_dropped = 0

    def put(self, item: T) -> None:
        """Add an item without waiting; a closed queue takes none."""
        with self._changed:
            if self._is_closed:
                return
            self.num_dropped += len(self._items) == self._items.maxlen
            self._items.append(item)
            self._changed.notify()

    def close(self) -> None:
        """Say that no item will come any more; those that wait are still given out.

        Any thread may say so, and a signal's handler.
        """
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    def __iter__(self) -> Iterator[T]:
        """Yield items as they come, the oldest first, until the queue is closed and empty."""
        while True:
            with self._changed:
                while not (self._items or self._is_closed):
                    self._changed.wait(_LONGEST_WAIT_SECONDS)
                if not self._items:
                    return
                item = self._items.popleft()
            yield item
