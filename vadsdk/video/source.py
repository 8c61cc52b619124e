"""What every source of frames looks like."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, runtime_checkable

from vadsdk.structures import Frame


@runtime_checkable
class Source(Protocol):
    """Gives the frames of one video in order: all of one size, their times never decreasing.

    Iterate it once.
    """

    @property
    def name(self) -> str:
        """For people; holds no credentials."""

    @property
    def fps(self) -> float | None:
        """Average frames a second, if known."""

    @property
    def num_frames(self) -> int | None:
        """Frames to expect, if known; the container's word, so fewer may come."""

    @property
    def is_live(self) -> bool:
        """True: does not wait for a slow consumer, and need not end."""

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames.

        Raises:
            VideoError: the source is broken.
        """
        ...
