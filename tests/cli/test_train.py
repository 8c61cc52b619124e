from __future__ import annotations

from vadsdk.cli.train import METHOD_NAMES, MODEL_NAMES
from vadsdk.methods import METHODS
from vadsdk.models import MODELS


def test_the_help_names_every_network_and_method_that_there_is() -> None:
    assert sorted(MODEL_NAMES) == sorted(MODELS)
    assert sorted(METHOD_NAMES) == sorted(METHODS)
