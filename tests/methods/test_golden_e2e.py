from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from golden_rules import Recorded, assert_recorded, blobs, gen, read_seed
from network_doubles import RecordedNetwork
from torch import Tensor

from vadsdk.data.batches import ClipBatch
from vadsdk.kernels.view_parameters import sample_view
from vadsdk.methods import E2E, E2ESettings
from vadsdk.methods.views import View
from vadsdk.models import ClipOutputs

pytestmark = pytest.mark.golden

SIDE = 224
CASES: dict[str, tuple[float, dict[str, object]]] = {
    "l2": (0.5, {"localisation": "l2"}),
    "gv": (0.5, {"localisation": "gradient"}),
    "bv_gv_e50": (0.5, {"localisation": "variance+gradient"}),
    "bv_n3_e50": (0.5, {"window": 3}),
    "bv_sigmoid_e50": (0.5, {"attention_on": "probabilities"}),
    **{f"bv_e{epoch}": (epoch / 100, {}) for epoch in (1, 25, 50, 75, 100)},
}
WITH_GRADIENTS = ("l2", "gv", "bv_gv_e50", "bv_e50")


@pytest.fixture(scope="module")
def recorded(golden_folder: Path) -> Recorded:
    return np.load(golden_folder / "consistency.npz")


@pytest.fixture(scope="module")
def arrays(recorded: Recorded) -> dict[str, Tensor]:
    """What both views answered, in the network's own frames, and the truth."""
    seed = read_seed(recorded)
    activations = gen(seed, "cons/activations").uniform(0.05, 0.95, (2, 24)).astype(np.float32)
    return {
        "original": torch.from_numpy(blobs(seed, "cons/output"))[:, 0],
        "mirrored": torch.from_numpy(blobs(seed, "cons/output", jitter="cons/flip"))[:, 0].flip(-1),
        "scores": torch.from_numpy(activations),
        "masks": torch.from_numpy(blobs(seed, "cons/output", jitter="cons/gt") > 0)[:, 0],
    }


def released_losses(
    settings: E2ESettings, original: Tensor, mirrored: Tensor, arrays: dict[str, Tensor], at: float
) -> dict[str, Tensor]:
    scores = arrays["scores"].to(original.dtype)
    batch = ClipBatch(
        clips=torch.zeros((2, 8, SIDE, SIDE, 3), dtype=torch.uint8),
        masks=arrays["masks"].to(torch.uint8),
        class_indices=torch.tensor([5, 9]),
        labelled=torch.tensor([True, False]),
    )
    answers = [ClipOutputs(scores, logits, scores[:, None]) for logits in (original, mirrored)]
    method = E2E(RecordedNetwork(answers, 24, SIDE), settings)
    unused = torch.zeros(0)
    first, second = (
        View(clips=unused, parameters=sample_view(2, strength))
        for strength in (settings.original_view, settings.augmented_view)
    )
    return method.losses_of_views(first, second, batch, at)


@pytest.mark.parametrize(("precision", "rel"), [("f64", 1e-9), ("f32", 3e-6)])
@pytest.mark.parametrize("case", CASES)
def test_the_released_losses(
    recorded: Recorded, arrays: dict[str, Tensor], case: str, precision: str, rel: float
) -> None:
    progress, changes = CASES[case]
    dtype = torch.float64 if precision == "f64" else torch.float32
    original, mirrored = (
        arrays[name].to(dtype).requires_grad_() for name in ("original", "mirrored")
    )
    losses = released_losses(E2ESettings.released(**changes), original, mirrored, arrays, progress)
    parts = {
        "cls": losses["cls"],
        "loc": losses["loc_bce"] + losses["loc_dice"],
        "cons": 10 * losses["cons_loc"],
        "total": torch.stack(list(losses.values())).sum(),
    }
    for name, value in parts.items():
        assert_recorded(recorded, f"{case}_{name}__{precision}", value.detach(), rel=rel)
    if case not in WITH_GRADIENTS:
        return
    gradients = torch.autograd.grad(parts["cons"], (original, mirrored))
    for name, gradient in zip(("output", "flip"), gradients, strict=True):
        key = f"{case}_cons_grad_{name}__{precision}"
        assert_recorded(recorded, key, gradient[:, None], rel=max(rel, 1e-9) * 5 / 3)
