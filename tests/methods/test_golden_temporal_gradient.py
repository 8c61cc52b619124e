"""The complete losses of paper 3 before and after the warm-up, with their gradients."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from golden_rules import Recorded, assert_recorded, assert_within, gen, read_seed
from golden_weights import load_reference_weights
from torch import Tensor

from vadsdk.data.batches import ClipBatch
from vadsdk.kernels.view_parameters import sample_view
from vadsdk.losses import confident_classes
from vadsdk.methods import TemporalGradient
from vadsdk.methods.streams import StreamAnswer
from vadsdk.methods.views import View
from vadsdk.models import build_model
from vadsdk.models.outputs import RecognitionClipOutputs

pytestmark = pytest.mark.golden

NUM_CLASSES, NUM_LABELLED, NUM_UNLABELLED = 101, 3, 5
NUM_WEAK = NUM_LABELLED + NUM_UNLABELLED
STAGE_SHAPES = ((64, 4, 14, 14), (128, 2, 7, 7), (256, 1, 4, 4), (512, 1, 2, 2))
ROW_SCALES = np.array([2, 2, 2, 1, 2, 3.5, 4.5, 4.5, 2, 2, 2, 2, 2])[:, None]
NAMES = {  # ours -> the release's; the contrast's name is the same in all but prefix
    "cls": "loss_cls_labeled_rgb",
    "gradient_cls": "loss_cls_labeled_diff",
    "pseudo_cls": "loss_cls_unlabeled_rgb",
    "gradient_pseudo_cls": "loss_cls_unlabeled_diff",
    **{f"align_{number + 1}": f"loss_layer{number}_align" for number in range(4)},
    "contrast": "loss_crossview_contrast",
}
NUM_EPOCHS = 180


@dataclass
class Case:
    suffix: str
    dtype: torch.dtype
    value: float
    gradient: float


@pytest.fixture(scope="module")
def recorded(golden_folder: Path) -> Recorded:
    return np.load(golden_folder / "tg_losses.npz")


@pytest.fixture(
    scope="module",
    params=[Case("f64", torch.float64, 1e-9, 1e-9), Case("f32", torch.float32, 3e-6, 5e-6)],
    ids=["float64", "float32"],
)
def case(request: pytest.FixtureRequest) -> Case:
    chosen: Case = request.param
    return chosen


@pytest.fixture(scope="module")
def method(recorded: Recorded, case: Case) -> TemporalGradient:
    network = build_model("r3d18", NUM_CLASSES, {"input_size": 32, "clip_length": 2})
    method = TemporalGradient(network)
    method.trained.to(case.dtype).train()
    with torch.no_grad():
        for name, prefix in (("colour_head", "rgb"), ("gradient_head", "tg")):
            head = method.trained.get_submodule(name)
            load_reference_weights(head, read_seed(recorded), f"contrast_head_{prefix}.")
    return method


def answers(recorded: Recorded, dtype: torch.dtype) -> tuple[StreamAnswer, StreamAnswer]:
    """The recorded inputs; shares are taken in float32 and sums in float64."""
    seed, rows = read_seed(recorded), NUM_WEAK + NUM_UNLABELLED

    def drawn(tag: str, shape: tuple[int, ...]) -> np.ndarray:
        return gen(seed, tag).standard_normal((rows, *shape))

    def leaf(values: np.ndarray) -> Tensor:
        return torch.from_numpy(values.astype(np.float32)).to(dtype).requires_grad_()

    colours, gradients = [], []
    for stage, shape in enumerate(STAGE_SHAPES):
        own = drawn(f"tg/feat_rgb{stage}", shape).astype(np.float32)
        colours.append(leaf(own))
        gradients.append(leaf(np.float32(0.6) * own + 0.8 * drawn(f"tg/feat_tg{stage}", shape)))
    logits = (ROW_SCALES * drawn("tg/logits_rgb", (NUM_CLASSES,))).astype(np.float32)
    others = 0.5 * ROW_SCALES * drawn("tg/logits_tg", (NUM_CLASSES,))
    return tuple(
        StreamAnswer(outputs=RecognitionClipOutputs(leaf(values)), stages=tuple(stages))
        for values, stages in (
            (logits, colours),
            (np.float32(0.7) * logits + others, gradients),
        )
    )  # type: ignore[return-value]


def batch_of(recorded: Recorded) -> ClipBatch:
    labels = torch.full((NUM_WEAK,), -1)
    drawn = gen(read_seed(recorded), "tg/labels").integers(0, NUM_CLASSES, NUM_LABELLED)
    labels[:NUM_LABELLED] = torch.from_numpy(drawn)
    return ClipBatch(
        clips=torch.zeros((NUM_WEAK, 2, 4, 4, 3), dtype=torch.uint8),
        masks=torch.zeros((NUM_WEAK, 2, 4, 4), dtype=torch.uint8),
        class_indices=labels,
        labelled=torch.arange(NUM_WEAK) < NUM_LABELLED,
    )


@pytest.mark.parametrize("epoch", [29, 30])
def test_every_loss_and_gradient_equals_the_recorded_one(
    recorded: Recorded, case: Case, method: TemporalGradient, epoch: int
) -> None:
    colours, gradients = answers(recorded, case.dtype)
    view = View(clips=torch.zeros(NUM_WEAK, 3, 2, 4, 4), parameters=sample_view(8, "identity"))
    batch = batch_of(recorded)
    losses = method.losses_of_answers(colours, gradients, view, batch, epoch / NUM_EPOCHS)
    assert losses.keys() == NAMES.keys()
    for name, loss in losses.items():
        key = f"ep{epoch}_{NAMES[name]}__{case.suffix}"
        came, expected = loss.item(), recorded[key].item()
        assert_within(key, came, expected, case.value * max(abs(expected), 1e-12))
    total = torch.stack(list(losses.values())).sum()
    assert_recorded(recorded, f"ep{epoch}_total__{case.suffix}", total.detach(), rel=case.value)
    if epoch == 29:
        return
    total.backward()
    pairs = [("logits_rgb", colours.outputs.class_logits), ("feat_tg_res5", gradients.stages[3])]
    pairs += [("logits_tg", gradients.outputs.class_logits)]
    pairs += [(f"feat_rgb_res{stage + 2}", colours.stages[stage]) for stage in range(4)]
    for name, leaf in pairs:
        assert leaf.grad is not None, name
        key = f"ep30_grad_{name}__{case.suffix}"
        assert_recorded(recorded, key, leaf.grad, rel=case.gradient)
    assert all(stage.grad is None for stage in gradients.stages[:3])


def test_the_rows_that_are_kept_are_the_recorded_ones(recorded: Recorded, case: Case) -> None:
    colours, gradients = answers(recorded, case.dtype)
    weak = slice(NUM_LABELLED, NUM_WEAK)
    logits = [answer.outputs.class_logits[weak] for answer in (colours, gradients)]
    kept = confident_classes(logits, 0.3) >= 0
    for epoch in (29, 30):  # the same logits
        assert kept.sum().item() == recorded[f"ep{epoch}_num_select__{case.suffix}"].item()
    best = torch.stack(logits).mean(0).softmax(1).amax(1).detach()
    if case.suffix == "f64":
        assert_recorded(recorded, "weak_prob_max__f64", best, rel=case.value)
