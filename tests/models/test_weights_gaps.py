"""What a weights file may lack of a network, and what makes it damaged or another's."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from vadsdk.errors import ModelFileError
from vadsdk.models import build_model
from vadsdk.models.backbones.i3d import I3D, PAPER1_I3D, I3DConfig
from vadsdk.models.weights import WeightsReport, load_initial_weights

WIDTH = 0.125
LIGHT: dict[str, dict[str, object]] = {
    "r3d18": {"width": WIDTH},
    "yowo-n": {"channels": [8, 8, 16, 16], "blocks": [1, 1]},
    "videocapsnet-n": {"channels": [8, 8, 16], "blocks": [1, 1]},
}
State = dict[str, Tensor]
Change = Callable[[str], str | None]


def network_of(name: str, num_classes: int = 3, **settings: object) -> nn.Module:
    return build_model(name, num_classes, {**LIGHT.get(name, {}), **settings})


def changed(state: Mapping[str, Tensor], change: Change) -> State:
    """Return a state under the names that a function gives, less those for which it gives None."""
    names = {name: change(name) for name in state}
    return {new: state[old] for old, new in names.items() if new is not None}


def without(pattern: str) -> Change:
    return lambda name: None if re.match(pattern, name) else name


def renamed(old: str, new: str) -> Change:
    return lambda name: re.sub(f"^{old}", new, name)


def load(network: nn.Module, state: Mapping[str, Tensor], folder: Path) -> WeightsReport:
    path = folder / "file.pt"
    torch.save(dict(state), path)
    return load_initial_weights(network, path)


def refuse(network: nn.Module, state: Mapping[str, Tensor], folder: Path) -> str:
    """Return the error's text; the network must be as it was."""
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    with pytest.raises(ModelFileError) as error:
        load(network, state, folder)
    assert all(torch.equal(t, before[name]) for name, t in network.state_dict().items())
    return str(error.value)


@pytest.mark.parametrize("seed", range(3))
def test_a_file_without_a_share_of_its_tensors_is_refused(tmp_path: Path, seed: int) -> None:
    state = network_of("yowo-n").state_dict()
    order = torch.randperm(len(state), generator=torch.Generator().manual_seed(seed)).tolist()
    names = list(state)
    kept = {names[index]: state[names[index]] for index in order[len(order) * 45 // 100 :]}
    text = refuse(network_of("yowo-n"), kept, tmp_path)
    assert "has gaps" in text
    assert "It is damaged, of another depth, or names them otherwise" in text
    assert text.endswith("The network is unchanged.")


@pytest.mark.parametrize(
    ("model", "settings", "change", "named"),
    [
        ("r3d18", {}, without(r"backbone\.layer3\."), "backbone.layer3."),
        ("r3d18", {}, without(r"backbone\.layer4\.1\.conv2"), "backbone.layer4.1.conv2."),
        ("r3d18", {}, without(r"backbone\.conv1\.bn\.bias"), "backbone.conv1.bn.bias."),
        ("r3d18", {"backbone": "i3d"}, without(r"backbone\.Mixed_4b"), "backbone.Mixed_4b."),
        ("yowo-n", {}, without("clip_quarter"), "clip_quarter."),
        ("videocapsnet-n", {}, without("deep"), "deep."),
    ],
)
def test_a_gap_in_what_a_file_brings_is_named(
    tmp_path: Path, model: str, settings: dict[str, object], change: Change, named: str
) -> None:
    state = network_of(model, **settings).state_dict()
    lost = set(state) - set(changed(state, change))
    count = sum(not name.endswith("num_batches_tracked") for name in lost)
    text = refuse(network_of(model, **settings), changed(state, change), tmp_path)
    assert (
        f"has gaps: {count} tensors are not in it though it fills what lies around them: {named} It"
    ) in text


@pytest.mark.parametrize(
    ("model", "old", "new"),
    [
        ("r3d18", "backbone.layer3", "backbone.res4"),
        ("yowo-n", "key_eighth", "key_8"),
        ("yowo-n", "clip_eighth", "stage3"),
        ("yowo-n", "fusion", "module.fusion"),
    ],
)
def test_a_part_under_another_name_is_named(tmp_path: Path, model: str, old: str, new: str) -> None:
    state = changed(network_of(model).state_dict(), renamed(re.escape(old) + r"\.", new + "."))
    text = refuse(network_of(model), state, tmp_path)
    assert f"fills what lies around them: {old};" in text
    assert f"; {new} has the shapes of {old}." in text
    assert "rename its tensors as the network does" in text


def test_a_renamed_last_stage_is_no_early_end(tmp_path: Path) -> None:
    """As it is under a prefix, too."""
    public = I3D(I3DConfig(width=WIDTH)).state_dict()
    state = changed(public, renamed("Mixed_5c", "last"))
    text = refuse(network_of("r3d18", backbone="i3d"), state, tmp_path)
    assert "around them: backbone.Mixed_5c; in the file alone: logits, last; last has" in text


def test_an_i3d_without_what_its_classifier_sees_is_no_early_end(tmp_path: Path) -> None:
    public = I3D(I3DConfig(width=WIDTH)).state_dict()
    state = changed(public, without("Mixed_5c"))
    text = refuse(network_of("r3d18", backbone="i3d"), state, tmp_path)
    assert "around them: backbone.Mixed_5c; in the file alone: logits. It is damaged" in text


def test_what_lies_beside_a_backbone_is_not_of_its_file(tmp_path: Path) -> None:
    parts = {"conv1": I3D(replace(PAPER1_I3D, width=WIDTH)), "extra": nn.Linear(2, 2)}
    network = nn.ModuleDict({"student": nn.ModuleDict(parts)})
    report = load(network, I3D(I3DConfig(width=WIDTH)).state_dict(), tmp_path)
    assert (report.prefix, report.missing_parts) == ("student.conv1.", ("student.extra",))


def test_an_i3d_that_ends_early_fills_a_longer_one(tmp_path: Path) -> None:
    short = I3D(replace(PAPER1_I3D, width=WIDTH)).state_dict()
    detector = {f"conv1.{name}": tensor for name, tensor in short.items()}
    detector["smooth.weight"] = torch.zeros(2)
    for state in (short, detector):
        report = load(network_of("r3d18", backbone="i3d"), state, tmp_path)
        assert report.missing_parts == ("backbone.Mixed_5b", "backbone.Mixed_5c", "cls_head")


@pytest.mark.parametrize(
    ("ours", "theirs", "missing", "skipped"),
    [
        ({"frame_head": True}, {"frame_head": False}, ("frame_head",), 0),
        (
            {"multi_label": True, "frame_head": True},
            {"frame_head": True},
            ("frame_head.classes.bias",),
            1,
        ),
        (
            {"frame_head": True},
            {"multi_label": True, "frame_head": True},
            ("frame_head.scale",),
            1,
        ),
    ],
    ids=["without", "to_several_classes", "to_one_class"],
)
def test_a_frame_head_of_another_kind_or_none_is_no_gap(
    tmp_path: Path,
    ours: dict[str, object],
    theirs: dict[str, object],
    missing: tuple[str, ...],
    skipped: int,
) -> None:
    report = load(
        network_of("yowo-n", **ours), network_of("yowo-n", **theirs).state_dict(), tmp_path
    )
    assert report.missing_parts == missing
    assert len(report.skipped_shape) == skipped


def test_a_backbone_beside_other_heads_is_no_gap(tmp_path: Path) -> None:
    """Even where a classifier has as many classes, under another name."""
    state = network_of("r3d18").state_dict()
    others = changed(state, renamed(r"cls_head\.fc_cls", "fc"))
    report = load(network_of("r3d18"), others, tmp_path)
    assert (report.missing_parts, report.unused_parts) == (("cls_head",), ("fc",))


@pytest.mark.parametrize(("ours", "theirs"), [(3, 2), (2, 3)])
def test_capsules_of_space_start_those_of_space_and_time(
    tmp_path: Path, ours: int, theirs: int
) -> None:
    with torch.device("meta"):
        state = build_model("videocapsnet", 3, {"routing_dims": theirs}).state_dict()
        network = build_model("videocapsnet", 3, {"routing_dims": ours})
    values = {
        name: torch.zeros((), dtype=tensor.dtype).expand(tensor.shape)
        for name, tensor in state.items()
    }
    report = load(network.to_empty(device="cpu"), values, tmp_path)
    assert sum(name.startswith("conv1.") for name in report.matched) > 200
    assert all(name.startswith("primary_caps.") for name in report.missing)


def test_counters_alone_do_not_make_a_module_one_that_the_file_fills(tmp_path: Path) -> None:
    state = changed(network_of("yowo-n").state_dict(), without(r"fusion\.(?!.*num_batches)"))
    assert load(network_of("yowo-n"), state, tmp_path).missing_parts == ("fusion",)
