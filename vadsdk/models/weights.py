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
agree. Class-dependent tensors are not configured either: their shapes tell. Several files may
each fill a part, as 3D-ResNeXt-101's and Darknet's do in yowo; `weights_gaps` says what a file of
one may lack.
To continue a network exactly, with its labels, use `checkpoint_file.load_weights`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from vadsdk.errors import ModelFileError
from vadsdk.models.public_names import known_names
from vadsdk.models.weights_file import read_tensors
from vadsdk.models.weights_gaps import require_no_gaps
from vadsdk.models.weights_report import WeightsReport, brief, counted, splits, whole_parts

_UNCHANGED = "The network is unchanged."


def load_initial_weights(network: nn.Module, path: Path) -> WeightsReport:
    """Give a network the weights of a file wherever name and shape agree.

    A vadsdk checkpoint may be of other labels. If they are as many, its class-dependent tensors fit
    and are taken too, in its order of labels.

    Args:
        network: changed in place, or not at all.
        path: .safetensors, .pt, .pth or .weights; see `weights_file`.

    Raises:
        ModelFileError: not a weights file (see `read_tensors`), one of another network or of
            another width (less than half of the tensors fit), one with gaps in what it brings (see
            `weights_gaps`), or one with values not finite.
    """
    (report,) = load_initial_files(network, (path,))
    return report


def load_initial_files(network: nn.Module, paths: Sequence[Path]) -> tuple[WeightsReport, ...]:
    """Give a network the weights of several files, each for a part of its own.

    So are paper 2's: one of 3D-ResNeXt-101, one of Darknet-19.

    Args:
        network: changed in place, or not at all.
        paths: as `load_initial_weights` takes them; each must fill something.

    Returns:
        A report of each file.

    Raises:
        ModelFileError: see `load_initial_weights`; or two files fill the same tensors.
    """
    fillings = [_read_filling(network, path) for path in paths]
    reports = tuple(filling.report for filling in fillings)
    for index, report in enumerate(reports):
        for earlier in reports[:index]:
            _require_apart(earlier, report)
    for filling in fillings:
        network.load_state_dict(filling.values, strict=False)
    return reports


class _Filling(NamedTuple):
    report: WeightsReport
    values: dict[str, Tensor]


def _read_filling(network: nn.Module, path: Path) -> _Filling:
    """Return what a file gives a network, checked but not yet given."""
    state = dict(network.state_dict())
    own_tensors = read_tensors(path)
    own_names = known_names(own_tensors)
    tensors = {name: own_tensors[own_name] for name, own_name in own_names.items()}
    file_prefix, prefix = _find_prefixes(tensors, state)
    places = {
        name: prefix + name.removeprefix(file_prefix)
        for name in tensors
        if name.startswith(file_prefix)
    }
    placed = {place: tensors[name] for name, place in places.items()}
    common = [name for name in state if name in placed]
    matched = tuple(name for name in common if placed[name].shape == state[name].shape)
    skipped = tuple(name for name in common if placed[name].shape != state[name].shape)
    _require_fit(path, tensors, state, placed, matched, skipped)
    leftovers = {name: tensors[name] for name in tensors if places.get(name) not in state}
    report = WeightsReport(
        path=path,
        prefix=prefix,
        file_prefix=file_prefix,
        matched=matched,
        skipped_shape=skipped,
        missing=tuple(name for name in counted(state) if name not in placed),
        unused=tuple(own_names[name] for name in leftovers),
    )
    require_no_gaps(network, report, leftovers)
    _require_finite(path, placed, matched)
    return _Filling(report, {name: placed[name] for name in matched})


def _require_apart(earlier: WeightsReport, later: WeightsReport) -> None:
    """Raise if two files fill the same tensors."""
    filled = set(earlier.matched)
    both = [name for name in counted(later.matched) if name in filled]
    if both:
        rest = [name for name in later.matched + earlier.matched if name not in both]
        raise ModelFileError(
            f"{later.path} would overwrite {len(both)} tensors that {earlier.path} fills: "
            f"{brief(whole_parts(both, rest))}. Give one of the two, or files of different parts "
            f"of the network. {_UNCHANGED}"
        )


def _find_prefixes(tensors: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> tuple[str, str]:
    """Return the prefixes of file and network that make most names equal, the shortest of those.

    Among equals the one counts under which more shapes agree. Names come before shapes, so that a
    backbone of another width is found and named, not laid over layers that happen to fit.
    """
    prefixes_by_tail: dict[str, list[str]] = defaultdict(list)
    for name in counted(tensors):
        for head, tail in splits(name):
            prefixes_by_tail[tail].append(head)
    names: Counter[tuple[str, str]] = Counter()
    shapes: Counter[tuple[str, str]] = Counter()
    for name in counted(state):
        for head, tail in splits(name):
            for file_head in prefixes_by_tail.get(tail, ()):
                names[file_head, head] += 1
                shapes[file_head, head] += tensors[file_head + tail].shape == state[name].shape
    return max(
        names,
        key=lambda pair: (names[pair], shapes[pair], -len(pair[0]) - len(pair[1])),
        default=("", ""),
    )


def _require_fit(
    path: Path,
    tensors: Mapping[str, Tensor],
    state: Mapping[str, Tensor],
    placed: Mapping[str, Tensor],
    matched: Iterable[str],
    skipped: tuple[str, ...],
) -> None:
    """Raise unless most common tensors fit and they are half of the file or half of the network."""
    fitting, num_file, num_network = (len(counted(names)) for names in (matched, tensors, state))
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
