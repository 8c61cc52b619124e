"""vadsdk: semi-supervised spatio-temporal action detection, from footage to action tubes.

Names are imported when first used, so that `import vadsdk` is quick; none of them needs torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vadsdk.errors import VadsdkError

if TYPE_CHECKING:
    from vadsdk.detector import Detector, detect_actions

    __version__: str

__all__ = ["Detector", "VadsdkError", "__version__", "detect_actions"]


def __getattr__(name: str) -> object:
    """Return a public name that is not loaded yet (PEP 562)."""
    if name == "__version__":
        from importlib.metadata import version

        return version("vadsdk")
    if name in __all__:
        from vadsdk import detector

        return getattr(detector, name)
    raise AttributeError(f"module 'vadsdk' has no attribute {name!r}")
