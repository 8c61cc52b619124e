"""From a model file of any format to something that runs: `load_model(path) -> ClipModel`."""

from vadsdk.runtime.loading import load_model

__all__ = ["load_model"]
