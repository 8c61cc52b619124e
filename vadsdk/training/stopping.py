"""How a run is asked to end, and when it does: between steps, so that what it saves is whole.

step 1   step 2   step 3   save
^ask      ^ends here; asked again, it ends at once and saves nothing
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class StopRequest:
    """Has a run end; whoever answers signals makes it, and the run heeds it between its steps."""

    def __init__(self) -> None:
        self._ending: KeyboardInterrupt | SystemExit | None = None
        self._is_put_off = False

    def make(self, ending: KeyboardInterrupt | SystemExit) -> None:
        """Have the run end with this error: when `heed` is next called if a step is being taken.

        A signal's handler may call it.

        Raises:
            KeyboardInterrupt | SystemExit: the ending, at once, if there is nothing to wait for or
                this is not the first request.
        """
        if self._ending is not None or not self._is_put_off:
            raise ending
        self._ending = ending

    @contextmanager
    def put_off(self) -> Iterator[None]:
        """Do what must not be left half done."""
        self._is_put_off = True
        try:
            yield
        finally:
            self._is_put_off = False

    def heed(self) -> None:
        """Raise the ending that was asked for, if one was."""
        if self._ending is not None:
            raise self._ending
