"""Takes the same steps and scores the same videos alone and as one of two ranks.

    torchrun --nproc-per-node 2 rank_steps.py FOLDER DATA

Run by `test_many_ranks.py`. What one process alone finds, each of the two finds for half of the
cases before they join.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from in_doubles import StepInAnyType, in_doubles
from test_every_pair import PAIRS, SMALLEST, batch_for, method_of, network_of
from torch import Tensor, nn

from vadsdk.data.batches import ClipBatch
from vadsdk.data.dataset import open_dataset
from vadsdk.kernels import mask_losses
from vadsdk.losses import cross_modal_contrast_loss
from vadsdk.methods import build_method
from vadsdk.methods.host_draws import HostDraws
from vadsdk.models import build_model
from vadsdk.ranks import num_ranks, rank, sum_over_ranks
from vadsdk.training.launching import for_all_ranks, joined_ranks
from vadsdk.training.scoring import score_network
from vadsdk.training.settings import TrainSettings

NUM_STEPS = 2
CASES: dict[str, tuple[str, str, dict[str, Any] | None]] = {
    **{f"{model}/{method}": (model, method, None) for model, method in PAIRS},
    "e2e as released": (
        "videocapsnet-n",
        "e2e",
        {
            "attention": "released",
            "consistency_on": "logits",
            "localisation": "variance+gradient",
            "supervise_both_views": True,
            "terms": {"classification": "released_spread"},
        },
    ),
    "e2e, cross entropy": (
        "videocapsnet-n",
        "e2e",
        {
            "localisation": "l2",
            "terms": {"classification": "cross_entropy", "own_class_share": 0.5},
        },
    ),
    "stable_mean_teacher, two geometries": (
        "videocapsnet-n",
        "stable_mean_teacher",
        {"recovery_width": 1, "shared_geometry": False, "recovery_sees_video": True},
    ),
    "yowo-n/fixmatch, sums over boxes": (
        "yowo-n",
        "fixmatch",
        {
            "box_terms": {"reduction": "sum"},
            "pseudo_boxes": {"objectness_threshold": 0.45, "frame_threshold": 0.3},
        },
    ),
}
"""Network, method and settings; every pair as `method_of` makes it, and what sums otherwise."""
CPU = torch.device("cpu")


def part_of(values: Tensor) -> Tensor:
    """Return this rank's rows of 4 labelled and 4 unlabelled ones, or of 4 of a kind."""
    blocks = values.split(4)
    own = 4 // num_ranks()
    return torch.cat([block[rank() * own : (rank() + 1) * own] for block in blocks])


def part_of_batch(network: nn.Module, seed: int) -> ClipBatch:
    """Return this rank's part of 4 labelled and 4 unlabelled clips."""
    first, second = (batch_for(network, 2 * seed + k) for k in (0, 1))
    fields: dict[str, Tensor] = {}
    for name, values in first.tensors().items():
        others = second.tensors()[name]
        fields[name] = part_of(torch.cat((values[:2], others[:2], values[2:], others[2:])))
    fields["boxes_xyxy01"] = fields["boxes_xyxy01"].to(torch.get_default_dtype())
    return ClipBatch(**fields)  # type: ignore[arg-type]


def without_draws(network: nn.Module) -> nn.Module:
    """Return the network without what it draws on the device, which ranks draw apart."""
    settings: Any = getattr(network, "settings", None)
    if hasattr(settings, "colour_dropout"):
        network.settings = settings.model_copy(update={"colour_dropout": 0.0})
    return network


def take_steps(case: str, num_steps: int) -> dict[str, Any]:
    """Return the losses of each step, and what is learned and followed afterwards."""
    model, method, options = CASES[case]
    settings = TrainSettings(precision="fp32", optimiser="sgd", max_steps=num_steps)
    network = for_all_ranks(without_draws(network_of(model)))
    if options is None:
        learner = method_of(method, network)
    else:
        learner = build_method(method, network, options)
    learner.trained = for_all_ranks(learner.trained)
    step = StepInAnyType(network, learner, settings, CPU)
    step.rate.fill_(1e-2)
    found = []
    for number in range(num_steps):
        batch = part_of_batch(network, number)
        draws = HostDraws(rows=(batch.num_labelled, len(batch) - batch.num_labelled))
        learner.begin_step(0.5)
        with draws.running():
            outcome = step([batch], 0.5)
        found.append(outcome.values)
    weights = network.state_dict() | {
        f"average.{name}": value for name, value in step.average.network.state_dict().items()
    }
    losses, norms = torch.stack(found).tensor_split([len(outcome.terms)], dim=1)
    state = learner.state_dict()
    return {"losses": losses, "norms": norms, "weights": weights, "method": state}


def mask_losses_of(form: str) -> dict[str, Tensor]:
    """Return both mask losses of all ranks and this rank's rows of their gradient."""
    generator = torch.Generator().manual_seed(5)
    logits, masks = (torch.randn(8, 2, 3, 5, generator=generator) for _ in range(2))
    weights = part_of(torch.tensor([1.0, 0.0, 2.0, 1.0, 0.5, 0.0, 0.0, 1.0]))
    own = part_of(logits).requires_grad_()
    if form == "triton":
        from vadsdk.kernels import mask_losses_triton

        function = mask_losses_triton._MaskLosses.apply
    else:
        function = mask_losses.mask_losses
    bce, dice = function(own, (part_of(masks) > 0).float(), weights)
    (bce + 3 * dice).backward()
    assert own.grad is not None
    return {"losses": sum_over_ranks(torch.stack((bce, dice)).detach()), "gradient": own.grad}


def contrast() -> dict[str, Tensor]:
    """Return the contrast loss of all ranks' rows and this rank's rows of its gradient."""
    generator = torch.Generator().manual_seed(6)
    own = part_of(torch.randn(4, 2, 5, generator=generator)).requires_grad_()
    loss = cross_modal_contrast_loss(own[:, 0], own[:, 1], 0.5)
    loss.backward()
    assert own.grad is not None
    return {"losses": sum_over_ranks(loss.detach()), "gradient": own.grad}


def scores_of(data: Path, model: str) -> dict[str, Any]:
    """Return the scores of a network that knows nothing, and how many clips it was shown here."""
    dataset = open_dataset(data)
    torch.manual_seed(0)
    network: Any = build_model(model, len(dataset.labels), SMALLEST[model]).eval()
    shown: list[int] = []
    network.register_forward_pre_hook(lambda module, inputs: shown.append(len(inputs[0])))
    spec = network.spec(model, dataset.labels)
    spec = replace(spec, decoding=replace(spec.decoding, min_score=0.0))
    records = dataset.records[:5]  # which two ranks cannot share equally
    found = score_network(
        network, spec, dataset, records, device="cpu", progress=lambda done, total: None
    )
    return {"scores": json.dumps(found.to_json()), "num_clips": sum(shown)}


def main(folder: Path, data: Path) -> None:
    """Write what this process finds alone, of half of the cases, and as one of two ranks."""
    os.environ["TRITON_INTERPRET"] = "1"
    own = int(os.environ["RANK"])
    alone = found_in_cases(data, list(CASES)[own::2], list(SMALLEST)[own::2])
    torch.save(alone, folder / f"alone{own}.pt")
    with joined_ranks("cpu"):
        results = found_in_cases(data, list(CASES), list(SMALLEST))
        results |= {form: mask_losses_of(form) for form in ("reference", "triton")}
        results["contrast"] = contrast()
        torch.save(results, folder / f"rank{rank()}.pt")


def found_in_cases(data: Path, cases: list[str], models: list[str]) -> dict[str, Any]:
    """Return what is found by "float64 CASE", "float32 CASE" or the model."""
    results: dict[str, Any] = {}
    for case in cases:
        results[f"float32 {case}"] = take_steps(case, num_steps=1)
        with in_doubles():
            results[f"float64 {case}"] = take_steps(case, num_steps=NUM_STEPS)
    return results | {model: scores_of(data, model) for model in models}


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
