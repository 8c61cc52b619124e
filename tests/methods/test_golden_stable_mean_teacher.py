"""Stable Mean Teacher's losses against those of its public code (golden README, section 10)."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from golden_rules import Recorded, assert_recorded, blobs, gen, read_seed
from network_doubles import RecordedNetwork
from torch import Tensor

from vadsdk.data.batches import ClipBatch
from vadsdk.kernels.view_parameters import sample_view
from vadsdk.losses import difference_of_pixels_loss, localisation_consistency_loss
from vadsdk.losses.ramps import exp_rampup
from vadsdk.methods import StableMeanTeacher, StableMeanTeacherSettings
from vadsdk.methods.stable_mean_teacher import Answers
from vadsdk.methods.views import View
from vadsdk.models import ClipOutputs

pytestmark = pytest.mark.golden

SIDE = 224
TOLERANCE = {"f64": 1e-9, "f32": 3e-6}
BLENDS = {"opt1": "ramped_dop", "opt2": "ramped_l2", "opt3": "ramped_sum"}
AUXILIARIES = {"opt4": "full", "opt5": "ramped"}
KINDS = ("bce", "dice")
MAPS = ("student", "teacher", "teacher_eor", "student_eor")
PROGRESS = {"w100": 1.0, "w025": 1 - math.sqrt(math.log(4) / 5)}  # where the ramp is 1 and 1/4


@pytest.fixture(scope="module")
def recorded(golden_folder: Path) -> Recorded:
    return np.load(golden_folder / "smt.npz")


@pytest.fixture(scope="module")
def logits(recorded: Recorded) -> dict[str, Tensor]:
    """(2, 8, 224, 224) float32 of all four networks."""
    seed = read_seed(recorded)
    jitters = {name: None if name == "student" else f"smt/{name}" for name in MAPS}
    return {
        name: torch.from_numpy(blobs(seed, "smt/student", jitter=jitter))[:, 0]
        for name, jitter in jitters.items()
    }


@pytest.fixture(scope="module")
def batch(recorded: Recorded) -> ClipBatch:
    masks = torch.from_numpy(blobs(read_seed(recorded), "smt/student", jitter="smt/gt") > 0)[:, 0]
    return ClipBatch(
        clips=torch.zeros((2, 8, SIDE, SIDE, 3), dtype=torch.uint8),
        masks=masks.to(torch.uint8),
        class_indices=torch.tensor([5, 9]),
        labelled=torch.tensor([True, False]),
    )


@pytest.mark.parametrize("precision", ["f64", "f32"])
@pytest.mark.parametrize("weight", PROGRESS)
@pytest.mark.parametrize("auxiliary", AUXILIARIES)
@pytest.mark.parametrize("blend", BLENDS)
def test_the_released_losses(
    recorded: Recorded,
    logits: dict[str, Tensor],
    batch: ClipBatch,
    blend: str,
    auxiliary: str,
    weight: str,
    precision: str,
) -> None:
    dtype = torch.float64 if precision == "f64" else torch.float32
    maps = {name: tensor.to(dtype, copy=True) for name, tensor in logits.items()}
    maps["student"].requires_grad_()
    settings = StableMeanTeacherSettings.released(
        blend=BLENDS[blend], auxiliary=AUXILIARIES[auxiliary], ramp_fraction=1.0
    )
    losses = losses_of(settings, maps, batch, recorded, PROGRESS[weight])
    share = 0.1 * exp_rampup(PROGRESS[weight], 1.0)
    main, aux = losses["cons_main"] / share, losses["cons_aux"] / share
    ramped = share / 0.1 if auxiliary == "opt5" else 1.0
    values = {
        "total": torch.stack(list(losses.values())).sum(),
        "sup_loc": sum(losses[f"{place}_{kind}"] for place in ("loc", "eor") for kind in KINDS),
        "cls": losses["cls"],
        "cons": main + aux,
        "main": main,
        "aux": aux / ramped,
    }
    case = f"{blend}_{auxiliary}_{weight}"
    for name, value in values.items():
        key = f"{case}_{name}__{precision}"
        assert_recorded(recorded, key, value.detach(), rel=TOLERANCE[precision])
    if case == "opt3_opt4_w100":
        (gradient,) = torch.autograd.grad(values["cons"], maps["student"])
        key = f"{case}_cons_grad_student__{precision}"
        assert_recorded(recorded, key, gradient[:, None], rel=TOLERANCE[precision] * 5 / 3)


def losses_of(
    settings: StableMeanTeacherSettings,
    maps: dict[str, Tensor],
    batch: ClipBatch,
    recorded: Recorded,
    progress: float,
) -> dict[str, Tensor]:
    scores = gen(read_seed(recorded), "smt/activations").uniform(0.05, 0.95, (2, 24))
    scores = torch.from_numpy(scores.astype(np.float32)).to(maps["student"].dtype)
    answers = Answers(
        student=ClipOutputs(scores, maps["student"], scores[:, None]),
        recovered=maps["student_eor"],
        teacher=maps["teacher"],
        teacher_recovered=maps["teacher_eor"],
        validity=None,
    )
    method = StableMeanTeacher(RecordedNetwork([], 24, SIDE), settings)
    view = View(clips=torch.zeros(0), parameters=sample_view(2, "identity"))
    return method.losses_of_answers(answers, batch, view, progress)


@pytest.mark.parametrize("precision", ["f64", "f32"])
def test_the_two_distances(recorded: Recorded, logits: dict[str, Tensor], precision: str) -> None:
    dtype = torch.float64 if precision == "f64" else torch.float32
    student = logits["student"].to(dtype)
    for name, other in (("main", "teacher"), ("aux", "teacher_eor")):
        target = logits[other].to(dtype)
        for key, value in (
            (f"l2_{name}", localisation_consistency_loss(student, target)),
            (f"dop_{name}", difference_of_pixels_loss(student, target)),
        ):
            assert_recorded(recorded, f"{key}__{precision}", value, rel=TOLERANCE[precision])


@pytest.mark.parametrize("length", [0, 16])
def test_the_ramps(recorded: Recorded, length: int) -> None:
    ramp = [exp_rampup(epoch, length) for epoch in range(61)]
    assert_recorded(recorded, f"ramp_{length}", ramp, rel=1e-12)
