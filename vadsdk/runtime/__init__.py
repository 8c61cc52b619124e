"""From a model file of any format to something that runs: `load_model(path) -> ClipModel`."""

from vadsdk.runtime.loading import load_model
from vadsdk.runtime.redecoded import with_min_score
from vadsdk.runtime.relabelled import with_labels

__all__ = ["load_model", "with_labels", "with_min_score"]
