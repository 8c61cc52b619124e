"""Steps that tests take on a card, in ways that may differ by nothing but rounding."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from test_every_pair import batch_for, method_of, network_of
from torch import nn

from vadsdk.data.batches import ClipBatch
from vadsdk.training.loop import StepReport, Trainer
from vadsdk.training.settings import TrainSettings

CUDA = torch.device("cuda")
NUM_STEPS = 20


@pytest.fixture(autouse=True)
def exact() -> Iterator[None]:
    """Let two runs of a step differ by nothing but atomic additions; where it is imported."""
    convolutions = torch.backends.cudnn.conv
    before = convolutions.fp32_precision
    torch.backends.cudnn.deterministic, convolutions.fp32_precision = True, "ieee"
    yield
    torch.backends.cudnn.deterministic, convolutions.fp32_precision = False, before


def settings(**values: Any) -> TrainSettings:
    given = {
        "precision": "fp32",
        "optimiser": "sgd",
        "learning_rate": 1e-3,
        "max_steps": NUM_STEPS,
        "warmup_steps": 0,
        "compile": False,
    }
    return TrainSettings.model_validate(given | values)


def without_draws(network: nn.Module) -> nn.Module:
    """Return the network without what it draws on the device, where a graph draws otherwise."""
    options: Any = getattr(network, "settings", None)
    if hasattr(options, "colour_dropout"):
        network.settings = options.model_copy(update={"colour_dropout": 0.0})
    return network.to(CUDA)


def trainer_of(model: str, method: str, **values: Any) -> Trainer:
    network = without_draws(network_of(model))
    return Trainer(network, method_of(method, network), settings(**values), CUDA)


def batches_of(trainer: Trainer, first: int, last: int) -> Iterator[ClipBatch]:
    return (batch_for(trainer.network, step).pinned() for step in range(first, last))


def losses_of(trainer: Trainer, first: int = 0, last: int = NUM_STEPS) -> list[dict[str, float]]:
    reports: list[StepReport] = []
    trainer.run(batches_of(trainer, first, last), reports.append)
    assert [report.step for report in reports] == list(range(first + 1, last + 1))
    return [dict(report.losses) for report in reports]
