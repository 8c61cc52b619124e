from __future__ import annotations

import sysconfig
from functools import partialmethod
from pathlib import Path

import pytest
import torch
from pretended_card import CARD, pretended_card
from test_every_pair import batch_for, method_of, network_of
from torch import nn

from vadsdk.errors import ConfigError
from vadsdk.kernels import coherence_loop
from vadsdk.training.loop import StepReport, Trainer
from vadsdk.training.settings import TrainSettings
from vadsdk.training.speed import channels_last, compiles, graphs

# torch's own import
IMPORTS_COMPILER = pytest.mark.filterwarnings("ignore:.*script_method.*:DeprecationWarning")
CPU, CUDA = torch.device("cpu"), torch.device("cuda")


def settings(**values: object) -> TrainSettings:
    return TrainSettings.model_validate({"precision": "fp32", **values})


def test_auto_captures_and_compiles_on_a_gpu_alone() -> None:
    method = method_of("e2e", network_of("videocapsnet-n"))
    notes: list[str] = []
    for device in (CPU, CUDA):
        on_gpu = device is CUDA
        assert graphs(settings(), method, device, notes.append) is on_gpu
        assert compiles(settings(), method, device, notes.append) is on_gpu
    assert notes == []


def test_auto_says_why_a_gpu_goes_without() -> None:
    boxes = method_of("supervised", network_of("yowo-n"))
    streams = method_of("temporal_gradient", network_of("r3d-n"))
    notes: list[str] = []
    assert not graphs(settings(), boxes, CUDA, notes.append)
    assert not compiles(settings(), streams, CUDA, notes.append)
    assert "not as one CUDA graph: how many boxes" in notes[0]
    assert "not compiled: its stages are watched by hooks" in notes[1]


def test_what_was_asked_for_and_cannot_be_is_an_error() -> None:
    mask = method_of("e2e", network_of("videocapsnet-n"))
    boxes = method_of("supervised", network_of("yowo-n"))
    streams = method_of("temporal_gradient", network_of("r3d-n"))
    with pytest.raises(ConfigError, match=r"cuda_graph=true, but there are none on device 'cpu'"):
        graphs(settings(cuda_graph=True), mask, CPU, print)
    with pytest.raises(ConfigError, match=r"cuda_graph=true, but how many boxes"):
        graphs(settings(cuda_graph=True), boxes, CUDA, print)
    with pytest.raises(ConfigError, match=r"compile=true, but its stages"):
        compiles(settings(compile=True), streams, CPU, print)


def test_false_goes_without_and_says_nothing() -> None:
    boxes = method_of("supervised", network_of("yowo-n"))
    notes: list[str] = []
    assert not graphs(settings(cuda_graph=False), boxes, CUDA, notes.append)
    assert not compiles(settings(compile=False), boxes, CUDA, notes.append)
    assert notes == []


@pytest.mark.parametrize("model", ["videocapsnet-n", "r3d-n"])
def test_a_network_is_compiled_as_one_graph_and_answers_alike(model: str) -> None:
    network = network_of(model).eval()
    spec = network.spec(model, ("a", "b", "c"))
    clips = torch.rand(1, 3, spec.clip_length, spec.input_height, spec.input_width)
    given = (clips, torch.eye(3)[:1]) if spec.kind == "mask" else (clips,)
    # What differs from a run is only who makes kernels of the graph; that is tried by hand.
    compiled = torch.compile(network, backend="eager", fullgraph=True, dynamic=False)
    with torch.no_grad():
        for ours, theirs in zip(compiled(*given), network(*given), strict=True):
            torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize(
    ("model", "method"),
    [
        ("r3d-n", "mean_teacher"),
        ("r3d-n", "pseudo_label"),
        ("r3d-n", "temporal_gradient"),
        ("videocapsnet-n", "stable_mean_teacher"),
    ],
)
@pytest.mark.parametrize("precision", ["bf16", "fp32"])
def test_weights_of_convolutions_lie_channels_last_but_in_fp32_on_a_cpu(
    model: str, method: str, precision: str
) -> None:
    network = network_of(model)
    learner = method_of(method, network)
    trainer = Trainer(network, learner, settings(precision=precision), CPU)
    followers = [v.network for v in vars(learner).values() if hasattr(v, "num_updates")]
    parts = [network, learner.trained, trainer.average.network, *followers]
    modules = [module for part in parts for module in part.modules()]
    weights = [module.weight for module in modules if isinstance(module, nn.Conv3d)]
    weights = [w for w in weights if w.shape[1] > 1 and w[0, 0].numel() > 1]  # others lie both ways
    assert len(weights) >= 20
    for weight in weights:
        lies_so = weight.is_contiguous(memory_format=torch.channels_last_3d)
        assert lies_so is (precision == "bf16")


def test_on_a_card_weights_of_2d_convolutions_lie_so_too() -> None:
    for device, lie_so in ((CARD, True), (CPU, False)):
        with pretended_card():
            network = network_of("videocapsnet-s").to(device)
            channels_last(method_of("e2e", network))
        modules = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)]
        weights = [m.weight for m in modules if min(m.weight.shape[1:]) > 1]
        assert weights
        for weight in weights:
            assert weight.is_contiguous(memory_format=torch.channels_last) is lie_so


@pytest.mark.parametrize(
    ("method", "teachers"),
    [
        ("supervised", []),
        ("mean_teacher", ["_teacher"]),
        ("pseudo_label", ["_labeller"]),
        ("stable_mean_teacher", ["_teacher", "_recovery_teacher"]),
    ],
)
@IMPORTS_COMPILER
def test_a_run_compiles_the_networks_that_its_method_asks(method: str, teachers: list[str]) -> None:
    network = network_of("videocapsnet-n")
    learner = method_of(method, network)
    notes: list[str] = []
    trainer = Trainer(network, learner, settings(compile=True), CPU, notes.append)
    assert notes == ["torch compiles the networks in the first steps: minutes, once"]
    asked = [network, *(getattr(learner, name).network for name in teachers)]
    assert all(each._compiled_call_impl is not None for each in asked)
    assert trainer.average.network._compiled_call_impl is None  # it is deployed as it is


@IMPORTS_COMPILER
def test_compiled_networks_and_teachers_learn_as_plain_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # What differs from a run is only who makes kernels of the graphs; that is tried by hand.
    by_graphs = partialmethod(nn.Module.compile, backend="aot_eager")
    monkeypatch.setattr(nn.Module, "compile", by_graphs)
    found = []
    for compile in (False, True):
        network = network_of("videocapsnet-n")
        learner = method_of("stable_mean_teacher", network)
        trainer = Trainer(network, learner, settings(compile=compile), CPU)
        torch.manual_seed(0)  # dropout
        reports: list[StepReport] = []
        trainer.run([batch_for(network, seed) for seed in range(2)], reports.append)
        found.append([dict(report.losses) for report in reports])
    for plain, compiled in zip(*found, strict=True):
        assert compiled == pytest.approx(plain, rel=1e-5)


@IMPORTS_COMPILER
def test_temporal_coherence_is_compiled_with_the_network() -> None:
    found = []
    for compile in (False, True):
        network = network_of("videocapsnet-n")
        learner = method_of("e2e", network)
        torch.manual_seed(0)  # dropout
        trainer = Trainer(network, learner, settings(compile=compile), CPU)
        assert (learner._losses_of_answers is coherence_loop.coherence_losses) is compile
        with torch.compiler.set_stance("force_eager"):
            reports: list[StepReport] = []
            trainer.run([batch_for(network)], reports.append)
        found.append(dict(reports[0].losses))
    assert found[0] == pytest.approx(found[1])


def test_a_cpu_without_a_compiler_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    method = method_of("e2e", network_of("videocapsnet-n"))
    with pytest.raises(ConfigError, match=r"compile=true, but torch needs .*'no-such-compiler'"):
        compiles(settings(compile=True), method, CPU, print)
    assert compiles(settings(), method, CUDA, print)  # kernels need more there


def test_a_cpu_without_pythons_headers_is_told_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(tmp_path))
    method = method_of("e2e", network_of("videocapsnet-n"))
    with pytest.raises(ConfigError, match=r"compile=true, but torch needs .*Python\.h"):
        compiles(settings(compile=True), method, CPU, print)
