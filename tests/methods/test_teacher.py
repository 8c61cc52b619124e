from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from golden_rules import Recorded, assert_recorded, read_seed, weight
from torch import Tensor, nn

from vadsdk.methods.teacher import Teacher

RELEASED = {"buffers": "keep", "mode": "train"}


class Toy(nn.Module):
    """The toy model of the golden README, section 10."""

    def __init__(self, value: float = 1.0) -> None:
        super().__init__()
        self.conv = nn.Conv3d(2, 3, (1, 3, 3))
        self.bn = nn.BatchNorm3d(3)
        self.fc = nn.Linear(3, 2)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.fill_(value)

    def forward(self, clips: Tensor) -> Tensor:
        return self.fc(self.bn(self.conv(clips)).mean((2, 3, 4)))


def first_weight(network: nn.Module) -> float:
    return float(next(network.parameters()).flatten()[0].item())


def test_the_decay_warms_up_to_its_value() -> None:
    teacher = Teacher(Toy(0.0), decay=0.7)
    expected = 0.0
    for alpha in (1 / 2, 2 / 3, 0.7, 0.7):
        teacher.update(Toy(1.0))
        expected = alpha * expected + (1 - alpha)
        assert first_weight(teacher.network) == pytest.approx(expected, rel=1e-6)


def test_without_warming_up_the_decay_holds_from_the_first_update() -> None:
    teacher = Teacher(Toy(0.0), decay=0.9, warm=False)
    teacher.update(Toy(1.0))
    assert first_weight(teacher.network) == pytest.approx(0.1)


@pytest.mark.parametrize(("buffers", "expected"), [("copy", 5.0), ("keep", 0.0)])
def test_buffers_are_the_students_or_the_teachers_own(buffers: str, expected: float) -> None:
    student = Toy()
    teacher = Teacher(student, buffers=buffers, mode="train")  # type: ignore[arg-type]
    student.bn.running_mean.fill_(5.0)
    student.bn.num_batches_tracked.fill_(7)
    teacher.update(student)
    assert teacher.network.get_buffer("bn.running_mean").tolist() == [expected] * 3
    assert teacher.network.get_buffer("bn.num_batches_tracked") == (7 if expected else 0)


def test_a_teacher_has_no_gradient_and_leaves_the_student_alone() -> None:
    student = Toy()
    teacher = Teacher(student)
    before = {name: tensor.clone() for name, tensor in student.state_dict().items()}
    answer = teacher(torch.ones(2, 2, 1, 3, 3, requires_grad=True))
    teacher.update(Toy(3.0))
    assert not answer.requires_grad
    assert not any(parameter.requires_grad for parameter in teacher.network.parameters())
    assert all(parameter.requires_grad for parameter in student.parameters())
    for name, tensor in student.state_dict().items():
        torch.testing.assert_close(tensor, before[name], rtol=0, atol=0)


def test_in_eval_mode_a_clip_is_answered_alike_in_any_company() -> None:
    clips = torch.rand(3, 2, 1, 5, 5, generator=torch.Generator().manual_seed(0))
    calm, lively = Teacher(Toy()), Teacher(Toy(), mode="train")
    torch.testing.assert_close(calm(clips)[:1], calm(clips[:1]))
    assert not torch.allclose(lively(clips)[:1], lively(clips[:1]))


def test_a_resumed_teacher_goes_on_as_it_would_have() -> None:
    first = Teacher(Toy(0.0))
    first.update(Toy(1.0))
    state = {**first.state_dict("eor."), "other.num_updates": torch.tensor(9)}
    first.update(Toy(2.0))
    resumed = Teacher(Toy(7.0))
    resumed.load_state_dict(state, "eor.")
    resumed.update(Toy(2.0))
    assert resumed.num_updates == 2
    for ours, theirs in zip(
        resumed.network.state_dict().values(), first.network.state_dict().values(), strict=True
    ):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0)


def test_what_cannot_work_is_refused() -> None:
    with pytest.raises(ValueError, match=r"decay must lie in \[0, 1\], not 1.5"):
        Teacher(Toy(), decay=1.5)
    with pytest.raises(ValueError, match="needs its student's running statistics"):
        Teacher(Toy(), buffers="keep")
    Teacher(nn.Linear(2, 2), buffers="keep")  # nothing to bring up to date


@pytest.mark.golden
@pytest.mark.parametrize(("precision", "rel"), [("f64", 1e-9), ("f32", 3e-6)])
@pytest.mark.parametrize("start", [0, 200])
def test_the_released_moving_average(
    golden_folder: Path, start: int, precision: str, rel: float
) -> None:
    recorded: Recorded = np.load(golden_folder / "smt.npz")
    seed = read_seed(recorded)
    student = Toy().to(torch.float64 if precision == "f64" else torch.float32)
    fill(student, seed, "ema/teacher.")
    teacher = Teacher(student, decay=0.99, **RELEASED)  # type: ignore[arg-type]
    teacher.load_state_dict({**teacher.state_dict(), "teacher.num_updates": torch.tensor(start)})
    for call in (1, 2, 3):
        fill(student, seed, f"ema/student{call}.")
        teacher.update(student)
        for name, tensor in floating(teacher.network).items():
            key = f"ema_start{start}_step{call}_{name}__{precision}"
            assert_recorded(recorded, key, tensor, rel=rel)


def floating(network: nn.Module) -> dict[str, Tensor]:
    return {name: t for name, t in network.state_dict().items() if t.is_floating_point()}


def fill(network: nn.Module, seed: int, prefix: str) -> None:
    for name, tensor in floating(network).items():
        tensor.copy_(torch.from_numpy(weight(seed, prefix + name, tuple(tensor.shape))))
