"""Detections -> action tubes, online: one pass, frame by frame, with bounded state."""

from vadsdk.linking.online import OnlineLinker
from vadsdk.linking.spec import LinkingSpec

__all__ = ["LinkingSpec", "OnlineLinker"]
