"""Weights to start a training from, taken by name from any file that fits for the most part.

    file                      network                   taken
    Mixed_3b..., logits...    I3D, other classes        as named; `logits` stays as it was
    Mixed_3b..., logits...    VideoCapsNet              as conv1.Mixed_3b...; `logits` is unused
    conv1.Mixed_3b..., ...    VideoCapsNet              as named
    conv1.Mixed_3b..., ...    I3D                       as Mixed_3b...; the rest is unused
    backbone.conv1..., ...    r3d18                     as named; paper 3's other stream is unused
    module.backbone_2d..., .. yowo                      as named, less `module.`; the file is of
                                                        YOWO's release
    module.conv1..., layer1.. yowo                      as backbone_3d.conv1...; 3D-ResNeXt-101
    yolov2.weights            yowo                      as backbone_2d.models.0...
    mixed_3b.branch_0..., ..  I3D and around it         as Mixed_3b.b0... (`public_names`)
    module.x, module.y        a network of x and y      as x, y (nn.DataParallel's prefix)

Where one lies in the other is not configured: it is the pair of prefixes under which most names
agree. Class-dependent tensors are not configured either: their shapes tell.
To continue a network exactly, with its labels, use `checkpoint_file.load_weights`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from vadsdk.errors import ModelFileError
from vadsdk.models.public_names import known_names
from vadsdk.models.weights_file import read_tensors

_COUNTER = "num_batches_tracked"
"""Of a batch norm: files older than PyTorch 0.4.1 lack it and nothing here needs it, so it is taken
where it comes, but is no evidence that a file fits and is not missed."""
_NUM_NAMED = 6
_UNCHANGED = "The network is unchanged."


@dataclass(frozen=True, kw_only=True, slots=True)
class WeightsReport:
    """What was taken from a weights file and what was not."""

    path: Path
    """The file."""
    prefix: str
    """What stands before the file's names in the network, as in "conv1."; "" if nothing does."""
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
        total = len(self.matched) + len(self.skipped_shape) + len(self.missing)
        place = f" (under {self.prefix!r})" if self.prefix else ""
        left = [
            f"{len(names)} {what}: {_brief(names, whole)}"
            for names, what, whole in (
                (self.skipped_shape, "of another shape", True),
                (self.missing, "not in the file", False),
                (self.unused, "in the file alone", False),
            )
            if names
        ]
        return (
            f"initial weights: {len(self.matched)} of the network's {total} tensors{place} "
            f"come from {self.path.name}\n"
            f"not taken: {'; '.join(left) or 'nothing'}"
        )


def load_initial_weights(network: nn.Module, path: Path) -> WeightsReport:
    """Give a network the weights of a file wherever name and shape agree.

    A vadsdk checkpoint may be of other labels. If they are as many, its class-dependent tensors fit
    and are taken too, in its order of labels.

    Args:
        network: changed in place, or not at all.
        path: .safetensors, .pt, .pth or .weights; see `weights_file`.

    Raises:
        ModelFileError: not a weights file (see `read_tensors`), one of another network or of
            another width (less than half of the tensors fit), or one with values not finite.
    """
    state = dict(network.state_dict())
    own_tensors = read_tensors(path)
    own_names = known_names(own_tensors)
    tensors = {name: own_tensors[own_name] for name, own_name in own_names.items()}
    file_prefix, prefix = _find_prefixes(tensors, state)
    placed = {
        prefix + name.removeprefix(file_prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(file_prefix)
    }
    common = [name for name in state if name in placed]
    matched = tuple(name for name in common if placed[name].shape == state[name].shape)
    skipped = tuple(name for name in common if placed[name].shape != state[name].shape)
    _require_fit(path, tensors, state, placed, matched, skipped)
    _require_finite(path, placed, matched)
    network.load_state_dict({name: placed[name] for name in matched}, strict=False)
    return WeightsReport(
        path=path,
        prefix=prefix,
        matched=matched,
        skipped_shape=skipped,
        missing=tuple(name for name in _counted(state) if name not in placed),
        unused=tuple(
            own_name
            for name, own_name in own_names.items()
            if not name.startswith(file_prefix)
            or prefix + name.removeprefix(file_prefix) not in state
        ),
    )


def _find_prefixes(tensors: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> tuple[str, str]:
    """Return the prefixes of file and network that make most names equal, the shortest of those.

    Among equals the one counts under which more shapes agree. Names come before shapes, so that a
    backbone of another width is found and named, not laid over layers that happen to fit.
    """
    prefixes_by_tail: dict[str, list[str]] = defaultdict(list)
    for name in _counted(tensors):
        for head, tail in _splits(name):
            prefixes_by_tail[tail].append(head)
    names: Counter[tuple[str, str]] = Counter()
    shapes: Counter[tuple[str, str]] = Counter()
    for name in _counted(state):
        for head, tail in _splits(name):
            for file_head in prefixes_by_tail.get(tail, ()):
                names[file_head, head] += 1
                shapes[file_head, head] += tensors[file_head + tail].shape == state[name].shape
    return max(
        names,
        key=lambda pair: (names[pair], shapes[pair], -len(pair[0]) - len(pair[1])),
        default=("", ""),
    )


def _splits(name: str) -> Iterable[tuple[str, str]]:
    """Yield ("", "a.b.c"), ("a.", "b.c"), ("a.b.", "c")."""
    yield "", name
    for place, letter in enumerate(name[:-1], start=1):
        if letter == ".":
            yield name[:place], name[place:]


def _counted(names: Iterable[str]) -> list[str]:
    return [name for name in names if not name.endswith(_COUNTER)]


def _require_fit(
    path: Path,
    tensors: Mapping[str, Tensor],
    state: Mapping[str, Tensor],
    placed: Mapping[str, Tensor],
    matched: Iterable[str],
    skipped: tuple[str, ...],
) -> None:
    """Raise unless most common tensors fit and they are half of the file or half of the network."""
    fitting, num_file, num_network = (len(_counted(names)) for names in (matched, tensors, state))
    if skipped and fitting <= len(skipped):
        name = skipped[0]
        raise ModelFileError(
            f"{path} is of another network or another width: tensor {name!r} has shape "
            f"{tuple(placed[name].shape)}, the network wants {tuple(state[name].shape)}; of "
            f"{fitting + len(skipped)} tensors with equal names {fitting} fit. Give "
            f"weights of the same network and width, or start without --weights. {_UNCHANGED}"
        )
    if 2 * fitting < min(num_file, num_network) or not fitting:
        raise ModelFileError(
            f"{path} is of another network: {fitting} of its {num_file} tensors fit into the "
            f"network's {num_network}. It starts with {_first(tensors)}, the network with "
            f"{_first(state)}. Give weights of this network or of its backbone, or start without "
            f"--weights. {_UNCHANGED}"
        )


def _require_finite(path: Path, placed: Mapping[str, Tensor], matched: Iterable[str]) -> None:
    for name in matched:
        if not bool(torch.isfinite(placed[name].float()).all()):
            raise ModelFileError(
                f"{path}: tensor {name!r} holds NaN or infinite values, as a training that failed "
                f"leaves them; give an earlier checkpoint. {_UNCHANGED}"
            )


def _first(tensors: Mapping[str, Tensor]) -> str:
    name = next(iter(tensors), None)
    return "nothing" if name is None else f"{name!r} {tuple(tensors[name].shape)}"


def _brief(names: Iterable[str], whole: bool) -> str:
    """Return a few names, or (not `whole`) the modules at the top that they lie in."""
    shown = list(dict.fromkeys(name if whole else name.partition(".")[0] for name in names))
    rest = f" and {len(shown) - _NUM_NAMED} more" if len(shown) > _NUM_NAMED else ""
    return ", ".join(shown[:_NUM_NAMED]) + rest
