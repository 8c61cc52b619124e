"""Names of public weights files that call the layers of a network here otherwise."""

from __future__ import annotations

import re
from collections.abc import Iterable

_KINETICS_I3D_PYTORCH = (
    (r"\bconv3d_0c_1x1\.", "logits."),
    (r"\bconv3d_(\d[a-z]_)", r"Conv3d_\1"),
    (r"\bmixed_", "Mixed_"),
    (r"\.branch_0\.", ".b0."),
    (r"\.branch_([12])\.0\.", r".b\1a."),
    (r"\.branch_([12])\.1\.", r".b\1b."),
    (r"\.branch_3\.1\.", ".b3b."),
    (r"\.batch3d\.", ".bn."),
)
"""Its names (hassony2/kinetics_i3d_pytorch) -> pytorch-i3d's, which `I3D` has."""
_MARK = re.compile(r"\bconv3d_1a_7x7\.batch3d\.")
"""Only its files have such a name."""


def known_names(names: Iterable[str]) -> dict[str, str]:
    """Return each name as the networks here have it, and the file's own for it.

    Args:
        names: of a file's tensors.
    """
    names = tuple(names)
    if not any(_MARK.search(name) for name in names):
        return {name: name for name in names}
    return {_as_pytorch_i3d(name): name for name in names}


def _as_pytorch_i3d(name: str) -> str:
    for pattern, replacement in _KINETICS_I3D_PYTORCH:
        name = re.sub(pattern, replacement, name)
    return name
