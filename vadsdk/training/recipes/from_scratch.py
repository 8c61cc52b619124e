"""Settings of mask networks that start from nothing, found on our own data.

The papers fine-tune pretrained networks for many epochs; these are for some hundred or thousand
steps.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

TERMS: Mapping[str, Any] = {"classification": "cross_entropy"}
"""Spread loss with its margin asks activations for more than a short run from scratch gives."""

MANY_CLASSES_TERMS: Mapping[str, Any] = {**TERMS, "own_class_share": 0.5}
"""With 21 classes the best one is often wrong; the masks must not be wrong with it."""

E2E: Mapping[str, Any] = {
    "supervise_both_views": True,
    "consistency_target": "stop_original",
    "class_temperature": 0.5,
    "lambda_total": 10.0,
    "lambda_ramp_fraction": 0.2,
}
"""Paper 1's losses, weighted for a network that starts from nothing; the paper's 0.1 fine-tunes one
that was pretrained (its section 4)."""
