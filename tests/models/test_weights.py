from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from tiny_network import SPEC, TinyNetwork
from torch import Tensor, nn

from vadsdk.errors import ModelFileError
from vadsdk.models.backbones.i3d import I3D, PAPER1_I3D, I3DConfig
from vadsdk.models.checkpoint_file import save_checkpoint
from vadsdk.models.videocapsnet_small import SmallVideoCapsNet, SmallVideoCapsNetSettings
from vadsdk.models.weights import WeightsReport, load_initial_weights

WIDTH = 0.125
CLASS_DEPENDENT = {
    "transforms",
    "beta_u",
    "beta_a",
    "evidence.weight",
    "evidence.bias",
    "unfold.weight",
}


class Detector(nn.Module):
    """A detector around paper 1's I3D, which lies under a prefix of two parts."""

    def __init__(self, seed: int, width: float = WIDTH) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.student = nn.ModuleDict({"conv1": I3D(replace(PAPER1_I3D, width=width))})
        self.head = nn.Linear(4, 2)


def i3d(seed: int, num_classes: int | None = 400, width: float = WIDTH) -> I3D:
    torch.manual_seed(seed)
    network = I3D(I3DConfig(width=width, num_classes=num_classes))
    for name, tensor in network.state_dict().items():
        if "running" in name:  # as after some training, so that buffers are seen to come along
            tensor.uniform_(0.5, 1.5)
    return network


def small_capsnet(seed: int, num_classes: int = 3) -> SmallVideoCapsNet:
    torch.manual_seed(seed)
    config = SmallVideoCapsNetSettings(width=WIDTH, decoder=(8, 8, 8), num_capsules=2)
    return SmallVideoCapsNet(num_classes, config)


def without_counters(network: nn.Module) -> OrderedDict[str, Tensor]:
    """Return a state dict as PyTorch before 0.4.1 wrote it."""
    state = network.state_dict().items()
    return OrderedDict((name, t) for name, t in state if not name.endswith("num_batches_tracked"))


def values(network: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def assert_loaded(
    network: nn.Module,
    before: Mapping[str, Tensor],
    report: WeightsReport,
    source: Mapping[str, Tensor],
    name_in_file: Callable[[str], str] = lambda name: name,
) -> None:
    """Check that what is reported as matched is the file's, and all else is as it was."""
    for name, tensor in network.state_dict().items():
        taken = name in report.matched
        expected = source[name_in_file(name)] if taken else before[name]
        assert torch.equal(tensor, expected), (name, taken)


def refuse(network: nn.Module, path: Path) -> str:
    """Return the error's text; the network must be as it was."""
    before = values(network)
    with pytest.raises(ModelFileError) as error:
        load_initial_weights(network, path)
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, before[name]), name
    return str(error.value)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_public_i3d_file_fills_a_plain_i3d(tmp_path: Path, zipped: bool) -> None:
    path, source, network = tmp_path / "rgb_imagenet.pt", i3d(1), i3d(2)
    torch.save(without_counters(source), path, _use_new_zipfile_serialization=zipped)
    before = values(network)
    report = load_initial_weights(network, path)
    assert (report.prefix, report.skipped_shape, report.missing, report.unused) == ("", (), (), ())
    assert set(report.matched) == set(without_counters(network))
    assert_loaded(network, before, report, source.state_dict())


def test_a_file_of_other_classes_gives_all_but_the_classifier(tmp_path: Path) -> None:
    path, source, network = tmp_path / "rgb_charades.pt", i3d(1, num_classes=157), i3d(2)
    torch.save(source.state_dict(), path)
    before = values(network)
    report = load_initial_weights(network, path)
    assert report.skipped_shape == ("logits.conv3d.weight", "logits.conv3d.bias")
    assert len(report.matched) == len(network.state_dict()) - 2
    assert_loaded(network, before, report, source.state_dict())


@pytest.mark.parametrize(
    ("build", "prefix", "skipped"),
    [
        (Detector, "student.conv1.", ()),
        # it sees motion as a fourth channel
        (small_capsnet, "backbone.", ("backbone.Conv3d_1a_7x7.conv3d.weight",)),
    ],
    ids=["two_parts", "videocapsnet-s"],
)
def test_an_i3d_file_fills_the_backbone_of_a_detector(
    tmp_path: Path, build: Callable[[int], nn.Module], prefix: str, skipped: tuple[str, ...]
) -> None:
    path, source, network = tmp_path / "rgb_imagenet.pt", i3d(1), build(2)
    torch.save(without_counters(source), path)
    before = values(network)
    report = load_initial_weights(network, path)
    assert report.prefix == prefix
    assert report.skipped_shape == skipped
    backbone = {name for name in without_counters(network) if name.startswith(prefix)}
    assert set(report.matched) == backbone - set(skipped)
    assert set(report.missing) == set(without_counters(network)) - backbone
    assert {name.partition(".")[0] for name in report.unused} == {"logits", "Mixed_5b", "Mixed_5c"}
    assert_loaded(network, before, report, source.state_dict(), lambda n: n.removeprefix(prefix))


def test_the_backbone_of_a_detector_fills_a_plain_i3d(tmp_path: Path) -> None:
    path, source, network = tmp_path / "detector.pth", Detector(1), i3d(2, num_classes=None)
    torch.save(source.state_dict(), path)
    before = values(network)
    report = load_initial_weights(network, path)
    assert report.prefix == ""
    assert report.unused == ("head.weight", "head.bias")
    assert {name.partition(".")[0] for name in report.missing} == {"Mixed_5b", "Mixed_5c"}
    assert_loaded(network, before, report, source.state_dict(), lambda n: f"student.conv1.{n}")


def test_a_checkpoint_of_other_labels_gives_all_but_its_classes(tmp_path: Path) -> None:
    path, source, network = tmp_path / "best.safetensors", small_capsnet(1, 3), small_capsnet(2, 5)
    save_checkpoint(path, source, source.spec("videocapsnet-s", ("wave", "jump", "sit")))
    before = values(network)
    report = load_initial_weights(network, path)
    assert set(report.skipped_shape) == CLASS_DEPENDENT
    assert (report.missing, report.unused) == ((), ())
    assert_loaded(network, before, report, source.state_dict())


def test_plain_safetensors_need_no_spec(tmp_path: Path) -> None:
    path, source, network = tmp_path / "weights.safetensors", TinyNetwork(1), TinyNetwork(2)
    safetensors.torch.save_file(source.state_dict(), path)
    report = load_initial_weights(network, path)
    assert_loaded(network, {}, report, source.state_dict())


@pytest.mark.parametrize("prefix", ["module.", "module.module."])
@pytest.mark.parametrize("wrapped", [True, False])
def test_wrappers_of_others_are_understood(tmp_path: Path, prefix: str, wrapped: bool) -> None:
    path, source, network = tmp_path / "weights.pth", TinyNetwork(1), TinyNetwork(2)
    state = {prefix + name: tensor for name, tensor in source.state_dict().items()}
    torch.save({"state_dict": state, "epoch": 3} if wrapped else state, path)
    report = load_initial_weights(network, path)
    assert report.prefix == ""
    assert_loaded(network, {}, report, source.state_dict())


@pytest.mark.parametrize("zipped", [True, False])
def test_numbers_of_numpy_may_lie_beside_the_tensors(tmp_path: Path, zipped: bool) -> None:
    path, source, network = tmp_path / "best.pth", TinyNetwork(1), TinyNetwork(2)
    numbers = {"score": np.float64(0.8), "loss": np.float32(2), "epoch": np.int64(3)}
    content = {"state_dict": source.state_dict()} | numbers
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    report = load_initial_weights(network, path)
    assert_loaded(network, {}, report, source.state_dict())


def test_a_prefix_that_both_have_is_none(tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    torch.save(nn.ModuleDict({"only": TinyNetwork(1)}).state_dict(), path)
    report = load_initial_weights(nn.ModuleDict({"only": TinyNetwork(2)}), path)
    assert report.prefix == ""


def test_names_count_before_shapes_that_agree_elsewhere(tmp_path: Path) -> None:
    path = tmp_path / "narrow.pt"
    network = network_of({"stage1.gain": [8], "stage2.gain": [16], "stage3.gain": [32]})
    narrow = {"stage1.gain": [4], "stage2.gain": [8], "stage3.gain": [16]}
    torch.save(network_of(narrow).state_dict(), path)
    text = refuse(network, path)
    assert "tensor 'stage1.gain' has shape (4,), the network wants (8,)" in text
    assert "of 3 tensors with equal names 0 fit" in text


def test_half_precision_is_taken_in_the_precision_of_the_network(tmp_path: Path) -> None:
    path, source, network = tmp_path / "weights.pt", TinyNetwork(1).half(), TinyNetwork(2)
    torch.save(source.state_dict(), path)
    load_initial_weights(network, path)
    assert network.body.weight.dtype == torch.float32
    assert torch.equal(network.body.weight, source.body.weight.float())


@pytest.mark.golden
@pytest.mark.parametrize(
    ("num_classes", "num_skipped"), [("ucf101_24", 0), ("jhmdb_21", 4)], ids=lambda value: value
)
def test_official_capsnet_files_fit_the_official_network(
    tmp_path: Path, golden_folder: Path, num_classes: str, num_skipped: int
) -> None:
    keys = json.loads((golden_folder / "capsnet_keys.json").read_text())
    shapes = {name: shape for name, shape, _ in keys["state_dict_ucf101_24"]}
    if num_classes == "jhmdb_21":
        shapes |= {name: shape for name, shape, _ in keys["differs_jhmdb_21"]}
    network = network_of({n: shape for n, shape, _ in keys["state_dict_ucf101_24"]})
    path = tmp_path / "official.pth"
    torch.save({name: torch.ones(()).expand(shape) for name, shape in shapes.items()}, path)
    report = load_initial_weights(network, path)
    assert (report.prefix, report.missing, report.unused) == ("", (), ())
    assert len(report.skipped_shape) == num_skipped
    assert len(report.matched) == len(shapes) - num_skipped


def network_of(shapes: Mapping[str, list[int]]) -> nn.Module:
    """Return a network whose state has these names and shapes, all zero."""
    root = nn.Module()
    for name, shape in shapes.items():
        *parents, leaf = name.split(".")
        module = root
        for parent in parents:
            if parent not in dict(module.named_children()):
                module.add_module(parent, nn.Module())
            module = module.get_submodule(parent)
        module.register_buffer(leaf, torch.zeros(shape))
    return root


def test_the_report_says_in_two_lines_what_was_taken_and_what_was_left(tmp_path: Path) -> None:
    path = tmp_path / "rgb_imagenet.pt"
    torch.save(without_counters(i3d(1)), path)
    report = load_initial_weights(Detector(2), path)
    num_unused = len([n for n in without_counters(i3d(1)) if n.startswith(("Mixed_5", "logits"))])
    taken, left = str(report).splitlines()
    assert taken == (
        "initial weights: 225 of the network's 227 tensors (under 'student.conv1.') "
        "come from rgb_imagenet.pt"
    )
    assert left == (
        "not taken: 2 not in the file: head; "
        f"{num_unused} in the file alone: logits, Mixed_5b, Mixed_5c"
    )
    with pytest.raises(FrozenInstanceError):
        report.prefix = ""  # type: ignore[misc]


def test_the_report_names_skipped_tensors_and_cuts_long_lists() -> None:
    report = WeightsReport(
        path=Path("a.pt"),
        prefix="",
        file_prefix="",
        matched=("a",),
        skipped_shape=("b.weight", "b.bias"),
        missing=tuple(f"c{i}.weight" for i in range(8)),
        unused=(),
    )
    assert str(report) == (
        "initial weights: 1 of the network's 11 tensors come from a.pt\n"
        "not taken: 2 of another shape: b.weight, b.bias; "
        "8 not in the file: c0, c1, c2, c3, c4, c5 and 2 more"
    )
    whole = replace(report, skipped_shape=(), missing=())
    assert str(whole).endswith("\nnot taken: nothing")


@pytest.mark.parametrize(
    ("build", "name"),
    [
        (i3d, "logits.conv3d.weight"),
        (Detector, "student.conv1.Conv3d_1a_7x7.conv3d.weight"),
    ],
    ids=["plain", "in_a_detector"],
)
def test_a_backbone_of_another_width_is_refused(
    tmp_path: Path, build: Callable[..., nn.Module], name: str
) -> None:
    path, source, network = tmp_path / "rgb_imagenet.pt", i3d(1), build(2, width=0.25)
    torch.save(without_counters(source), path)
    text = refuse(network, path)
    came = tuple(source.state_dict()[name.removeprefix("student.conv1.")].shape)
    expected = tuple(network.state_dict()[name].shape)
    assert came != expected
    assert f"tensor {name!r} has shape {came}, the network wants {expected}; of " in text
    assert "another network or another width" in text
    assert "tensors with equal names" in text
    assert "Give weights of the same network and width, or start without --weights" in text
    assert text.endswith("The network is unchanged.")


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "resnet.pt"
    torch.save({"layer1.gamma": torch.zeros(8), "layer1.kernel": torch.zeros(3, 3)}, path)
    text = refuse(TinyNetwork(2), path)
    assert "is of another network: 0 of its 2 tensors fit into the network's 6" in text
    assert "It starts with 'layer1.gamma' (8,), the network with 'body.weight' (8, 3, 3, 3, 3)" in (
        text
    )
    assert "or start without --weights. The network is unchanged." in text


def test_a_layer_that_fits_by_chance_does_not_make_a_file_fit(tmp_path: Path) -> None:
    path = tmp_path / "other.pt"
    others = {f"block{i}.gamma": torch.zeros(4) for i in range(9)}
    torch.save({"body.bias": torch.zeros(8)} | others, path)
    assert "1 of its 10 tensors fit into the network's 6" in refuse(TinyNetwork(2), path)


def test_batch_counters_are_no_evidence(tmp_path: Path) -> None:
    path, network = tmp_path / "counters.pt", i3d(2)
    counters = {n: t for n, t in network.state_dict().items() if n.endswith("num_batches_tracked")}
    torch.save(counters, path)
    assert "0 of its 0 tensors fit" in refuse(network, path)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(tmp_path: Path, value: float) -> None:
    path, source = tmp_path / "diverged.pt", TinyNetwork(1)
    source.mask.bias.data.fill_(value)
    torch.save(source.state_dict(), path)
    text = refuse(TinyNetwork(2), path)
    assert "tensor 'mask.bias' holds NaN or infinite values" in text
    assert "give an earlier checkpoint" in text


class Malicious:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.mark,)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("suffix", [".pt", ".pth"])
def test_a_pickle_that_would_run_code_is_refused_and_not_run(
    tmp_path: Path, suffix: str, zipped: bool
) -> None:
    path, mark = tmp_path / f"evil{suffix}", tmp_path / "ran"
    content = TinyNetwork(1).state_dict() | {"body.extra": Malicious(mark)}
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    text = refuse(TinyNetwork(2), path)
    assert not mark.exists()
    assert "holds more than tensors and was not opened: its pickle asks for" in text
    assert "a pickle can run any code" in text
    assert 'torch.save(network.state_dict(), "weights.pt")' in text
    torch.load(path, weights_only=False)
    assert mark.exists(), "the file of this test is harmless, so the test shows nothing"


def test_a_whole_pickled_network_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "network.pt"
    torch.save(nn.Linear(2, 2), path)
    assert "its pickle asks for torch.nn.modules.linear.Linear" in refuse(TinyNetwork(2), path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({}, "holds no tensors; give a state dict"),
        ({"state_dict": {}}, "holds no tensors"),
        ([torch.zeros(2)], "holds a list, no state dict; give a state dict"),
        (torch.zeros(2), "holds a Tensor, no state dict"),
        ({"epoch": 3}, "is no state dict: its entry 'epoch' is a int, not a tensor; give a state"),
        ({0: torch.zeros(2)}, "is no state dict: its entry 0 is a Tensor"),
        ({"a": torch.eye(2).to_sparse()}, "tensor 'a' is sparse, quantized or without values"),
        ({"a": torch.zeros(2, device="meta")}, "tensor 'a' is sparse, quantized or without values"),
    ],
)
def test_a_pickle_of_something_else_is_refused(
    tmp_path: Path, content: object, message: str
) -> None:
    path = tmp_path / "weights.pt"
    torch.save(content, path)
    text = refuse(TinyNetwork(2), path)
    assert text.startswith(str(path))
    assert message in text


@pytest.mark.parametrize("name", ["weights.pt", "weights.pth", "weights.safetensors"])
@pytest.mark.parametrize(
    "content", [b"", b"some text, long enough to have a length", b"\x80\x02}q\x00", b"PK\x03\x04"]
)
def test_a_damaged_file_is_named(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    text = refuse(TinyNetwork(2), path)
    assert text.startswith(f"{path} is damaged, cut short or no {path.suffix} file (")
    assert "\n" not in text


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_a_file_cut_short_is_named(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"weights{suffix}"
    state = TinyNetwork(1).state_dict()
    torch.save(state, path) if suffix == ".pt" else safetensors.torch.save_file(state, path)
    path.write_bytes(path.read_bytes()[:-200])
    assert "damaged, cut short" in refuse(TinyNetwork(2), path)


def test_paths_that_are_no_weights_file_are_named(tmp_path: Path) -> None:
    text = refuse(TinyNetwork(2), tmp_path)
    assert "is a folder, not a weights file; give the file in it (best.safetensors)" in text
    text = refuse(TinyNetwork(2), tmp_path / "model.onnx")
    assert "is no known kind of weights file (.safetensors, .pt, .pth, .weights)" in text
    text = refuse(TinyNetwork(2), tmp_path / "absent.pt")
    assert "cannot read the weights" in text
    assert "No such file or directory; check the path" in text


def test_a_checkpoint_of_the_same_labels_is_taken_whole(tmp_path: Path) -> None:
    path, source, network = tmp_path / "best.safetensors", TinyNetwork(1), TinyNetwork(2)
    save_checkpoint(path, source, SPEC)
    report = load_initial_weights(network, path)
    assert set(report.matched) == set(network.state_dict())
    assert_loaded(network, {}, report, source.state_dict())
