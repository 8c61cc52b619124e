"""What was taken from a weights file, and what was not."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_COUNTER = "num_batches_tracked"
"""Of a batch norm: files older than PyTorch 0.4.1 lack it and nothing here needs it, so it is taken
where it comes, but is no evidence that a file fits and is not missed."""
_NUM_NAMED = 6


@dataclass(frozen=True, kw_only=True, slots=True)
class WeightsReport:
    """What was taken from a weights file and what was not."""

    path: Path
    """The file."""
    prefix: str
    """What stands before the file's names in the network, as in "conv1."; "" if nothing does."""
    file_prefix: str
    """What stands before the network's names in the file, as in "module."; "" if nothing does."""
    matched: tuple[str, ...]
    """The network's tensors that now hold the file's values."""
    skipped_shape: tuple[str, ...]
    """The network's tensors that the file has in another shape (other classes); unchanged."""
    missing: tuple[str, ...]
    """The network's tensors that the file does not have; unchanged."""
    unused: tuple[str, ...]
    """The file's tensors, by its own names, that the network does not have."""

    def __str__(self) -> str:
        """Return two lines for the terminal: what was taken, and what was left."""
        matched, skipped = counted(self.matched), counted(self.skipped_shape)
        total = len(matched) + len(skipped) + len(self.missing)
        place = f" (under {self.prefix!r})" if self.prefix else ""
        left = [
            f"{len(names)} {what}: {brief(shown)}"
            for names, what, shown in (
                (self.skipped_shape, "of another shape", self.skipped_shape),
                (self.missing, "not in the file", self.missing_parts),
                (self.unused, "in the file alone", self.unused_parts),
            )
            if names
        ]
        return (
            f"initial weights: {len(matched)} of the network's {total} tensors{place} "
            f"come from {self.path.name}\n"
            f"not taken: {'; '.join(left) or 'nothing'}"
        )

    @property
    def missing_parts(self) -> tuple[str, ...]:
        """The largest modules of the network, or tensors, that the file has nothing of."""
        return whole_parts(self.missing, counted(self.matched + self.skipped_shape))

    @property
    def unused_parts(self) -> tuple[str, ...]:
        """The largest modules, or tensors, in the file that the network has nothing of."""
        taken = self.matched + self.skipped_shape
        own_names = [self.file_prefix + name.removeprefix(self.prefix) for name in taken]
        return whole_parts(self.unused, own_names)


def counted(names: Iterable[str]) -> tuple[str, ...]:
    """Return the names without those of counters, which say nothing of a file."""
    return tuple(name for name in names if not name.endswith(_COUNTER))


def splits(name: str) -> Iterable[tuple[str, str]]:
    """Yield ("", "a.b.c"), ("a.", "b.c"), ("a.b.", "c")."""
    yield "", name
    for place, letter in enumerate(name[:-1], start=1):
        if letter == ".":
            yield name[:place], name[place:]


def whole_parts(names: Iterable[str], others: Iterable[str]) -> tuple[str, ...]:
    """Return the largest modules that hold some of the names and none of the others.

    A name in a module that holds others stands for itself.

    Args:
        names: of tensors, as in "layer1.conv.weight".
        others: of more tensors of the same network.
    """
    shared = {head for name in others for head, _ in splits(name)} | {""}
    parts = (
        next((head[:-1] for head, _ in splits(name) if head not in shared), name) for name in names
    )
    return tuple(dict.fromkeys(parts))


def brief(names: Iterable[str]) -> str:
    """Return a few of the names, and how many more there are."""
    names = tuple(names)
    rest = f" and {len(names) - _NUM_NAMED} more" if len(names) > _NUM_NAMED else ""
    return ", ".join(names[:_NUM_NAMED]) + rest
