"""Numbers of things, as they are said."""

from __future__ import annotations


def counted(number: int, noun: str) -> str:
    """Return "1 video" or "2 videos" for "video"; the noun's plural ends in s."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
