from __future__ import annotations

import math

import pytest
import torch
from network_doubles import colour_batch
from torch import Tensor

from vadsdk.kernels.view_parameters import sample_view
from vadsdk.methods import build_method
from vadsdk.methods.recognition_family import RecognitionFamily, RecognitionSettings
from vadsdk.methods.views import View
from vadsdk.models import build_model
from vadsdk.models.outputs import RecognitionClipOutputs

LOGITS = torch.tensor([[2.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 9.0, 0.0]])
VIEW = View(clips=torch.zeros(3, 3, 2, 4, 4), parameters=sample_view(3, "identity"))


def family(**settings: float) -> RecognitionFamily:
    return RecognitionFamily(RecognitionSettings.model_validate(settings))


def test_only_labelled_clips_are_supervised() -> None:
    batch = colour_batch(num_labelled=2, num_unlabelled=1)  # of classes 0, 1 and 2
    losses = family(cls_weight=2).supervised_losses(
        RecognitionClipOutputs(LOGITS), batch, VIEW, progress=0.0
    )
    first = math.log(math.exp(2) + 2) - 2
    assert losses["cls"].item() == pytest.approx(2 * (first + math.log(3)) / 2)


def test_confident_classes_are_pseudo_labels_and_divide_by_all_clips() -> None:
    judge = family(class_threshold=0.7, pseudo_weight=3)
    outputs = RecognitionClipOutputs(LOGITS)
    pseudo = judge.pseudo_labels(outputs, VIEW, VIEW)
    assert pseudo.tolist() == [0, -1, 1]
    flat = RecognitionClipOutputs(torch.zeros(3, 3))
    came = judge.pseudo_losses(flat, pseudo)["pseudo_cls"].item()
    assert came == pytest.approx(3 * 2 * math.log(3) / 3)


def test_consistency_is_zero_between_equals_and_ln_2_at_most() -> None:
    def divergence(first: Tensor, second: Tensor) -> float:
        outputs = RecognitionClipOutputs(first), RecognitionClipOutputs(second)
        losses = family().consistency_losses(outputs[0], VIEW, outputs[1], VIEW)
        return losses["cons_cls"].item()

    assert divergence(LOGITS, LOGITS + 5) == pytest.approx(0, abs=1e-6)
    far = torch.eye(3) * 1000
    assert divergence(far, far.roll(1, 0)) == pytest.approx(math.log(2), rel=1e-5)


def test_a_recogniser_overfits_a_handful_of_clips() -> None:
    torch.manual_seed(0)
    network = build_model("r3d-n", 3, {"input_size": 32, "clip_length": 4, "dropout": 0.0})
    method = build_method("supervised", network, {"view": "identity"})
    batch = colour_batch(num_labelled=6, num_unlabelled=0)
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-3)
    for _ in range(12):
        optimiser.zero_grad()
        method.losses(batch, 0.5)["cls"].backward()
        optimiser.step()
    clips = method._views.make(batch.clips, "identity").clips
    with torch.no_grad():
        assert network(clips).class_logits.argmax(1).tolist() == batch.class_indices.tolist()
