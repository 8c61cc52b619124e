"""Whether a weights file lacks whole parts of a network, as it may, or has gaps in what it brings.

file                                   network          may it
backbone of a detector                 the detector     yes: it has nothing of the other parts
detector without its frame head        the detector     yes
classifier of other classes or kind    any              yes: the shapes tell
I3D up to Mixed_4f, as in paper 1      a longer I3D     yes: it ends early
layer3 is left out                     its backbone     no: damaged, or of another depth
layer3 is called stage3                its backbone     no: renamed

What a network needs beyond a file is for training to learn, or for another file to bring.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace

from torch import Tensor, nn

from vadsdk.errors import ModelFileError
from vadsdk.models.backbones.i3d import I3D
from vadsdk.models.weights_report import WeightsReport, brief, counted, splits, whole_parts

_LARGEST_HEAD = 2
"""Tensors of a bare classifier: a file may have one of the same shapes that is another's."""


def require_no_gaps(
    network: nn.Module, report: WeightsReport, leftovers: Mapping[str, Tensor]
) -> None:
    """Raise if tensors are missing in a part of the network that the file otherwise fills.

    Args:
        network: of which the report speaks.
        report: what the file has and lacks.
        leftovers: the file's tensors that fit nowhere, by the names that the networks here use.

    Raises:
        ModelFileError: there are gaps; the text names them and what they are called instead.
    """
    report = replace(report, matched=counted(report.matched))
    missing = [name for name in report.missing if name.startswith(report.prefix)]
    parts = whole_parts(missing, report.matched)
    renamed = _renamed(network, parts, leftovers)
    gaps = [part for part in parts if part in renamed or _is_gap(network, report, part, leftovers)]
    if not gaps:
        return
    count = sum(name == gap or name.startswith(f"{gap}.") for gap in gaps for name in missing)
    twins = "".join(f"; {own} has the shapes of {gap}" for gap, own in renamed.items())
    alone = f"; in the file alone: {brief(report.unused_parts)}" if report.unused else ""
    raise ModelFileError(
        f"{report.path} has gaps: {count} tensors are not in it though it fills what lies around "
        f"them: {brief(gaps)}{alone}{twins}. It is damaged, of another depth, or names them "
        "otherwise. Give the whole file, rename its tensors as the network does, or start without "
        "--weights. The network is unchanged."
    )


def _is_gap(
    network: nn.Module, report: WeightsReport, part: str, leftovers: Mapping[str, Tensor]
) -> bool:
    """Return whether what lies around a part that is missing comes from the file."""
    parent, _, _ = part.rpartition(".")
    if not parent:  # a whole part of the network
        stages = getattr(network, "stage_names", ())
        return part in stages and any(_count(report.matched, stage) for stage in stages)
    if _count(report.skipped_shape, part):
        return False  # of other classes
    skipped = _count(report.skipped_shape, parent)
    if part in report.missing and skipped:
        return False  # a single tensor of a classifier of another kind
    if _count(report.matched, parent) <= skipped:
        return False
    inner_parent = f"{parent}.".removeprefix(report.prefix)
    beside = [name for name in leftovers if name.startswith(report.file_prefix + inner_parent)]
    return bool(beside) or not _ends_early(network, report, part)


def _ends_early(network: nn.Module, report: WeightsReport, part: str) -> bool:
    """Return whether nothing that follows the part in its I3D comes from the file."""
    parent, _, layer = part.rpartition(".")
    backbone = network.get_submodule(parent)
    if not isinstance(backbone, I3D) or layer not in backbone.endpoints:
        return False
    rest = backbone.endpoints[backbone.endpoints.index(layer) :]
    return not any(_count(report.matched, f"{parent}.{name}") for name in rest)


def _renamed(
    network: nn.Module, parts: Iterable[str], leftovers: Mapping[str, Tensor]
) -> dict[str, str]:
    """Return the module in the file, by missing module, whose tensors have the same shapes.

    Of several, one around the other, it is the one whose inner names are most alike.
    """
    ours, theirs = _tensors_of_modules(network.state_dict()), _tensors_of_modules(leftovers)
    found: dict[str, str] = {}
    for part in parts:
        inner = ours.get(part, {})
        if len(inner) <= _LARGEST_HEAD:
            continue
        shapes = sorted(inner.values())
        twins = [name for name, other in theirs.items() if sorted(other.values()) == shapes]
        if twins:
            found[part] = max(twins, key=lambda name: len(inner.keys() & theirs[name].keys()))
    return found


def _tensors_of_modules(tensors: Mapping[str, Tensor]) -> dict[str, dict[str, tuple[int, ...]]]:
    """Return the shapes of all tensors in a module by their names in it, by module."""
    found: dict[str, dict[str, tuple[int, ...]]] = defaultdict(dict)
    for name in counted(tensors):
        for head, tail in splits(name):
            if head:
                found[head[:-1]][tail] = tuple(tensors[name].shape)
    return dict(found)


def _count(names: Iterable[str], module: str) -> int:
    """Return how many of the names lie in a module."""
    return sum(name.startswith(f"{module}.") for name in names)
