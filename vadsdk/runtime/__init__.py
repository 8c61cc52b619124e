"""From a model file of any format to something that runs: `load_model(path) -> ClipModel`."""

from vadsdk.runtime.loading import load_model
from vadsdk.runtime.redecoded import with_min_score

__all__ = ["load_model", "with_min_score"]
