from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from network_doubles import ColourNetwork, colour_batch
from torch import Tensor, nn

from vadsdk.errors import ConfigError, ModelFileError
from vadsdk.kernels.view_settings import ViewSettings
from vadsdk.methods import StableMeanTeacher, build_method
from vadsdk.methods.stable_mean_teacher_settings import StableMeanTeacherSettings
from vadsdk.models.error_recovery import ErrorRecoveryNet

SMALL = {"recovery_width": 2}
MIDWAY = 0.5
TERMS = {"cls", "loc_bce", "loc_dice", "eor_bce", "eor_dice", "cons_main", "cons_aux"}


def method_of(network: nn.Module | None = None, **settings: object) -> StableMeanTeacher:
    method = build_method("stable_mean_teacher", network or ColourNetwork(), SMALL | settings)
    assert isinstance(method, StableMeanTeacher)
    return method


def losses_of(progress: float = MIDWAY, **settings: object) -> dict[str, Tensor]:
    return method_of(**settings).losses(colour_batch(), progress)


def test_all_terms_come_and_are_finite() -> None:
    losses = losses_of()
    assert losses.keys() == TERMS
    assert all(value.isfinite() and value > 0 for value in losses.values())


def test_each_loss_teaches_who_it_is_for() -> None:
    network = ColourNetwork()
    method = method_of(network)
    losses = method.losses(colour_batch(), MIDWAY)
    learners = {"student": network, "recovery": method.trained}
    for terms, taught in (
        (("cls", "loc_bce", "loc_dice", "cons_main", "cons_aux"), {"student"}),
        (("eor_bce", "eor_dice"), {"recovery"}),
    ):
        total = torch.stack([losses[name] for name in terms]).sum()
        reached = {
            name
            for name, module in learners.items()
            for gradient in torch.autograd.grad(
                total, list(module.parameters()), retain_graph=True, allow_unused=True
            )
            if gradient is not None
        }
        assert reached == taught


def test_the_consistency_is_weighed_by_lambda_and_ramp() -> None:
    plain = losses_of(lambda_total=1.0, ramp_fraction=0.0)
    ramped = losses_of(lambda_total=0.2, ramp_fraction=1.0)
    weight = 0.2 * torch.exp(torch.tensor(-5 * 0.5**2))
    for name in ("cons_main", "cons_aux"):
        torch.testing.assert_close(ramped[name], weight * plain[name])
    assert torch.equal(ramped["eor_bce"], plain["eor_bce"])


def test_a_student_that_is_its_teacher_in_the_same_view_agrees_with_it() -> None:
    same = {"teacher_view": "weak", "student_view": ViewSettings(), "shared_geometry": True}
    still = {**same, "teacher_view": ViewSettings(flip_probability=1.0)}
    losses = losses_of(**still)
    assert losses["cons_main"].item() == pytest.approx(0, abs=1e-12)
    assert losses["cons_aux"] > 0  # the recovered masks are others
    assert losses_of(**same)["cons_main"] > 0  # other colours


def test_without_shared_geometry_maps_are_moved_into_the_students_frame() -> None:
    mirrored = {"teacher_view": "mirror", "student_view": "identity", "shared_geometry": False}
    plain = {"teacher_view": "identity", "student_view": "identity"}
    network = PointwiseNetwork()
    moved, straight = (
        method_of(network, **views).losses(colour_batch(), MIDWAY)["cons_main"]
        for views in (mirrored, plain)
    )
    assert straight.item() == 0
    assert moved.item() == pytest.approx(0, abs=1e-9)


class PointwiseNetwork(ColourNetwork):
    """A mirrored clip has mirrored masks."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Conv3d(3, 8, 1)


def test_both_teachers_follow_after_the_step() -> None:
    network = ColourNetwork()
    method = method_of(network, decay=0.5, warm_decay=False)
    before = method.state_dict()
    with torch.no_grad():
        for module in (network, method.trained):
            for parameter in module.parameters():
                parameter.add_(1.0)
    method.after_step()
    after = method.state_dict()
    for name in ("teacher.network.body.bias", "recovery_teacher.network.final.bias"):
        torch.testing.assert_close(after[name], before[name] + 0.5)


def test_a_resumed_method_goes_on_as_it_would_have() -> None:
    batch, network = colour_batch(), ColourNetwork()
    first = method_of(network)
    first.losses(batch, MIDWAY)
    with torch.no_grad():
        next(network.parameters()).add_(0.1)
    first.after_step()
    state = first.state_dict()
    expected = first.losses(batch, MIDWAY)
    resumed = method_of(network, seed=7)
    resumed.load_state_dict(state)
    for name, loss in resumed.losses(batch, MIDWAY).items():
        assert torch.equal(loss, expected[name]), name


def test_unlabelled_clips_teach_consistency_alone() -> None:
    batch = colour_batch()
    clips = batch.clips.clone()
    clips[3:] = clips[3:].flip(3)
    first, second = (method_of().losses(b, MIDWAY) for b in (batch, replace(batch, clips=clips)))
    differing = {name for name in TERMS if not torch.equal(first[name], second[name])}
    assert differing == {"cons_main", "cons_aux"}


def test_the_teachers_class_decides_what_is_decoded_of_an_unlabelled_clip() -> None:
    network = ColourNetwork()
    method_of(network).losses(colour_batch(), MIDWAY)
    assert (network.conditions[0].sum(1) == 1).all()
    network = ColourNetwork()
    method_of(network, shared_condition=False).losses(colour_batch(), MIDWAY)
    assert network.conditions[0].sum(1).tolist() == [1, 1, 1, 0, 0, 0]


@pytest.mark.parametrize("sees_video", [False, True])
def test_error_recovery_may_start_from_a_file(tmp_path: Path, sees_video: bool) -> None:
    path = tmp_path / "eor.pth"
    torch.save(ErrorRecoveryNet(1, width=2).state_dict(), path)
    settings = {"recovery_weights": str(path), "recovery_sees_video": sees_video}
    if sees_video:
        with pytest.raises(ModelFileError, match="must be those of the file"):
            method_of(**settings)
        return
    state = torch.load(path, weights_only=True)
    for name, tensor in method_of(**settings).trained.state_dict().items():
        assert torch.equal(tensor, state[name])


def test_what_is_not_understood_is_named() -> None:
    network = ColourNetwork()
    network.kind = "box"
    with pytest.raises(ConfigError, match=r"for mask networks, not for a box .* use mean_teacher"):
        method_of(network)
    with pytest.raises(ConfigError, match="teacher_buffers = keep needs teacher_mode = train"):
        method_of(teacher_buffers="keep")


def test_the_released_settings_are_accepted_as_a_mapping() -> None:
    released = StableMeanTeacherSettings.released()
    assert losses_of(**(released.model_dump() | SMALL)).keys() == TERMS


def test_error_recovery_learns_alike_with_and_without_unlabelled_clips() -> None:
    batch = colour_batch()
    plain = {"teacher_view": "identity", "student_view": "identity"}
    for sees_video in (False, True):
        settings = {**plain, "recovery_sees_video": sees_video}
        losses, alone = (
            method_of(**settings).losses(b, MIDWAY) for b in (batch, batch.rows(torch.arange(3)))
        )
        for name in ("eor_bce", "eor_dice"):
            torch.testing.assert_close(losses[name], alone[name])
