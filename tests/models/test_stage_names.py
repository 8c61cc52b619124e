from __future__ import annotations

import pytest
import torch

from vadsdk.models import MODELS, build_model


@pytest.mark.parametrize("name", MODELS)
def test_the_stages_that_a_network_names_are_modules_of_it(name: str) -> None:
    with torch.device("meta"):
        network = build_model(name, 3)
    assert len(network.stage_names) >= 3
    for stage in network.stage_names:
        assert list(network.get_submodule(stage).parameters()) or "pool" in stage
