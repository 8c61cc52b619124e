"""The whole network against paper 1's released code, in both precisions.

Batch norm's running statistics keep the two clips apart, so a case of the recorded part A is put
together from rows of three runs: own class, (given class, all classes), and given class of clip 1.
"""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from golden_rules import (
    Recorded,
    assert_recorded,
    assert_within,
    gen,
    read_seed,
    stats,
    stride_of,
    sub,
)
from golden_weights import load_reference_weights
from torch import Tensor, nn

from vadsdk.data.batches import ClipBatch
from vadsdk.methods.supervised_terms import class_condition
from vadsdk.models.outputs import ClipOutputs, condition_or_own_class
from vadsdk.models.videocapsnet import VideoCapsNet, VideoCapsNetSettings

pytestmark = pytest.mark.golden

RELEASED = VideoCapsNetSettings(routing="released", dropout=0.0)
NUM_CLASSES = 24
GIVEN_CLASSES = (3, 7)
FIRST_EPOCH_OF_OWN_CLASS = 11
NUM_POSE_CHANNELS = 16 * NUM_CLASSES
LAYERS = (
    "primary_caps",
    "conv_caps",
    "upsample1",
    "conv28",
    "upsample2",
    "conv56",
    "upsample3",
    "conv112",
)


@dataclass(frozen=True, kw_only=True)
class Precision:
    """A run and how close it has to come (section 12 of the golden README)."""

    dtype: torch.dtype
    suffix: str
    class_activations: float
    features: float
    poses: float
    plain_layers: float
    routed_layers: float
    mask_logits: float
    running: float


F64 = Precision(
    dtype=torch.float64,
    suffix="__f64",
    class_activations=1e-9,
    features=1e-9,
    poses=1e-9,
    plain_layers=1e-9,
    routed_layers=1e-9,
    mask_logits=1e-9,
    running=1e-9,
)
F32 = Precision(
    dtype=torch.float32,
    suffix="__f32",
    class_activations=2e-3,
    features=2e-2,
    poses=1e-3,
    plain_layers=1e-5,
    routed_layers=5e-4,
    mask_logits=1e-4,
    running=1e-6,
)


@dataclass(frozen=True, kw_only=True, eq=False)
class EvaluationRuns:
    """Answers of one network, in evaluation mode."""

    own: ClipOutputs
    """Both clips, each for its own best class."""
    layers: dict[str, Tensor]
    """Module outputs of that run."""
    label_and_all: ClipOutputs
    """Clip 0 for its given class, clip 1 for all classes."""
    second_label: ClipOutputs
    """Clip 1 alone, for its given class."""


@pytest.fixture(scope="module", params=[F64, F32], ids=["float64", "float32"])
def precision(request: pytest.FixtureRequest) -> Precision:
    value: Precision = request.param
    return value


@pytest.fixture(scope="module")
def in_evaluation(golden_folder: Path) -> Recorded:
    return read(golden_folder / "capsnet_eval.npz")


@pytest.fixture(scope="module")
def in_training(golden_folder: Path) -> Recorded:
    return read(golden_folder / "capsnet_train.npz")


def read(path: Path) -> Recorded:
    with np.load(path) as file:
        return dict(file)


@pytest.fixture(scope="module")
def network(in_evaluation: Recorded, in_training: Recorded, precision: Precision) -> VideoCapsNet:
    seed = read_seed(in_evaluation)
    assert read_seed(in_training) == seed  # so one network serves both files
    return reference_network(seed, NUM_CLASSES, precision)


@pytest.fixture(scope="module")
def evaluated(
    in_evaluation: Recorded, network: VideoCapsNet, precision: Precision
) -> EvaluationRuns:
    clips = reference_clips(read_seed(in_evaluation), precision)
    layers: dict[str, Tensor] = {}
    network.eval()
    with torch.inference_mode():
        hooks = [keep_output(network, name, layers) for name in LAYERS]
        own = network(clips)
        for hook in hooks:
            hook.remove()
        # The network never makes these two: it computes both layers in one (mask_logits).
        skip = torch.cat([layers["upsample3"].relu(), layers["conv112"].relu()], 1)
        layers["upsample4"] = network.upsample4(skip)
        layers["smooth"] = network.smooth(layers["upsample4"])
        label_and_all = network(clips, conditions((True, False), epoch=1))
        second_label = network(clips[1:], conditions((False, True), epoch=1)[1:])
    return EvaluationRuns(
        own=own, layers=layers, label_and_all=label_and_all, second_label=second_label
    )


def reference_network(seed: int, num_classes: int, precision: Precision) -> VideoCapsNet:
    with torch.device("meta"):  # whose initialisation costs nothing
        network = VideoCapsNet(num_classes, RELEASED).to(precision.dtype)
    network.to_empty(device="cpu")
    with torch.no_grad():
        load_reference_weights(network, seed)
    return network


def reference_clips(seed: int, precision: Precision) -> Tensor:
    clips = gen(seed, "capsnet/input").random((2, 3, 8, 224, 224))
    clips[1] *= 0.35
    return torch.from_numpy(clips.astype(np.float32)).to(precision.dtype)


def keep_output(
    network: nn.Module, name: str, kept: dict[str, Tensor]
) -> torch.utils.hooks.RemovableHandle:
    return network.get_submodule(name).register_forward_hook(
        lambda _module, _inputs, output: kept.update({name: output})
    )


def conditions(labelled: tuple[bool, bool], *, epoch: int) -> Tensor:
    """The rows that our methods ask for, whose batches have the labelled ones first."""
    order = torch.tensor(labelled).int().argsort(descending=True, stable=True)
    batch = ClipBatch(
        clips=torch.zeros((2, 8, 1, 1, 3), dtype=torch.uint8),
        masks=torch.zeros((2, 8, 1, 1), dtype=torch.uint8),
        class_indices=torch.tensor(GIVEN_CLASSES)[order],
        labelled=torch.tensor(labelled)[order],
    )
    rows = class_condition(batch, NUM_CLASSES, all_classes=epoch < FIRST_EPOCH_OF_OWN_CLASS)
    return rows[order.argsort()]


def test_names_shapes_and_order_are_those_of_the_released_checkpoints(golden_folder: Path) -> None:
    recorded = json.loads((golden_folder / "capsnet_keys.json").read_text())
    with torch.device("meta"):
        networks = {name: VideoCapsNet(k) for name, k in recorded["classes"].items()}
    expected = {name: (shape, dtype) for name, shape, dtype in recorded["state_dict_ucf101_24"]}
    for name, network in networks.items():
        if name == "jhmdb_21":
            expected |= {
                name: (shape, dtype) for name, shape, dtype in recorded["differs_jhmdb_21"]
            }
        came = [
            (key, (list(value.shape), str(value.dtype).removeprefix("torch.")))
            for key, value in network.state_dict().items()
        ]
        assert came == list(expected.items())
        assert sum(p.numel() for p in network.parameters()) == recorded["parameters"][name]


def test_answers_in_evaluation_mode(
    in_evaluation: Recorded, evaluated: EvaluationRuns, precision: Precision
) -> None:
    recorded = in_evaluation
    own, suffix = evaluated.own, precision.suffix
    check_scores(recorded, "", own, precision)
    assert_recorded(recorded, f"argmax{suffix}", own.class_scores.argmax(1), absolute=0)
    rows = condition_or_own_class(None, own.class_scores)
    assert_recorded(recorded, f"mask_rows{suffix}", rows, absolute=0)
    logits = own.mask_logits.unsqueeze(1)
    assert_recorded(recorded, f"mask_logits{suffix}", logits, rel=precision.mask_logits)


def test_every_layer_in_evaluation_mode(
    in_evaluation: Recorded, evaluated: EvaluationRuns, precision: Precision
) -> None:
    for name, came in evaluated.layers.items():
        if name == "conv_caps":
            check_class_capsules(in_evaluation, came, precision)
            continue
        rel = precision.plain_layers
        if name.startswith("upsample"):
            rel = precision.routed_layers
        elif name == "smooth":
            rel = precision.mask_logits
        assert_recorded(in_evaluation, f"{name}{precision.suffix}", came, rel=rel)
    assert len(evaluated.layers) == len(LAYERS) + 2


def check_class_capsules(recorded: Recorded, came: Tensor, precision: Precision) -> None:
    """Poses and activations have tolerances of their own."""
    key = f"conv_caps{precision.suffix}"
    stored = recorded[key]
    channels = np.arange(stored.size) * stride_of(came.numel()) % came.shape[-1]
    is_pose = channels < NUM_POSE_CHANNELS
    kept, tolerance = sub(came), precision.poses * float(np.abs(stored).max())
    assert came.shape == tuple(recorded[f"{key}__shape"])
    assert_within(f"{key} poses", kept[is_pose], stored[is_pose], tolerance)
    assert_within(f"{key} act", kept[~is_pose], stored[~is_pose], precision.features)
    assert_within(f"{key}__stats", stats(came), recorded[f"{key}__stats"], tolerance)


@pytest.mark.parametrize(
    ("case", "labelled", "epoch"),
    [
        ("l10_e1", (True, False), 1),
        ("l10_e10", (True, False), 10),
        ("l10_e11", (True, False), 11),
        ("l01_e11", (False, True), 11),
        ("l11_e1", (True, True), 1),
    ],
)
def test_class_masking_of_training(
    in_training: Recorded,
    evaluated: EvaluationRuns,
    precision: Precision,
    case: str,
    labelled: tuple[bool, bool],
    epoch: int,
) -> None:
    recorded = in_training
    if f"A_{case}_mask_rows{precision.suffix}" not in recorded:
        precision = F32  # two cases have no float64
    suffix = precision.suffix
    rows = condition_or_own_class(conditions(labelled, epoch=epoch), evaluated.own.class_scores)
    assert_recorded(recorded, f"A_{case}_mask_rows{suffix}", rows, absolute=0)
    assert_recorded(
        recorded,
        f"A_{case}_class_activations{suffix}",
        evaluated.own.class_scores,
        absolute=precision.class_activations,
    )
    first = evaluated.label_and_all if labelled[0] else evaluated.own
    second = evaluated.label_and_all if epoch < FIRST_EPOCH_OF_OWN_CLASS else evaluated.own
    if labelled[1]:
        second = evaluated.second_label
    for clip, outputs in enumerate((first, second)):
        logits = outputs.mask_logits[[0 if clip == 0 else -1]]
        key = f"A_{case}_mask_logits_{clip}{suffix}"
        assert_recorded(recorded, key, logits, rel=precision.mask_logits)


def test_batch_statistics_of_training(
    in_training: Recorded, network: VideoCapsNet, precision: Precision
) -> None:
    recorded, suffix = in_training, precision.suffix
    clips = reference_clips(read_seed(recorded), precision)
    condition = conditions((True, False), epoch=11)
    network = copy.deepcopy(network).train()
    with torch.inference_mode():
        outputs = network(clips, condition)
    check_scores(recorded, "B_", outputs, precision)
    rows = condition_or_own_class(condition, outputs.class_scores)
    assert_recorded(recorded, f"B_mask_rows{suffix}", rows, absolute=0)
    for clip in range(2):
        logits = outputs.mask_logits[[clip]]
        key = f"B_mask_logits_{clip}{suffix}"
        assert_recorded(recorded, key, logits, rel=precision.mask_logits)
    buffers = dict(network.named_buffers())
    names = [n for n in buffers if f"B_{n}{suffix}" in recorded and "running" in n]
    assert len(names) == 8
    for name in names:
        assert_recorded(recorded, f"B_{name}{suffix}", buffers[name], rel=precision.running)
    counters = {int(v) for n, v in buffers.items() if n.endswith("num_batches_tracked")}
    assert counters == {int(recorded[f"B_num_batches_tracked{suffix}"])}


def test_network_of_twenty_one_classes(golden_folder: Path, precision: Precision) -> None:
    recorded = read(golden_folder / "capsnet_jhmdb_eval.npz")
    seed = read_seed(recorded)
    network = reference_network(seed, 21, precision).eval()
    with torch.inference_mode():
        outputs = network(reference_clips(seed, precision)[:1])
    check_scores(recorded, "", outputs, precision)
    key = f"mask_logits{precision.suffix}"
    shape = tuple(recorded[f"{key}__shape"])
    assert_recorded(recorded, key, outputs.mask_logits.view(shape), rel=precision.mask_logits)


def check_scores(
    recorded: Recorded, prefix: str, outputs: ClipOutputs, precision: Precision
) -> None:
    scores, features = outputs.class_scores, outputs.features
    assert_recorded(
        recorded,
        f"{prefix}class_activations{precision.suffix}",
        scores,
        absolute=precision.class_activations,
    )
    assert_recorded(
        recorded, f"{prefix}features{precision.suffix}", features, absolute=precision.features
    )
