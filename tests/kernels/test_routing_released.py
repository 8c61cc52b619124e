from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from golden_rules import assert_recorded, gen, read_seed, weight
from torch import Tensor

from vadsdk.kernels.routing import em_routing
from vadsdk.kernels.routing_released import released_e_step, released_m_step, released_votes

pytestmark = pytest.mark.golden

PRECISIONS = pytest.mark.parametrize(
    ("dtype", "suffix"), [(torch.float64, "f64"), (torch.float32, "f32")], ids=["f64", "f32"]
)


class Case:
    """The recorded case: 2 x 4 x 4 positions, 8 -> 5 capsules."""

    def __init__(self, golden_folder: Path, dtype: torch.dtype) -> None:
        self.recorded = np.load(golden_folder / "em_routing.npz")
        self.seed, self.dtype = read_seed(self.recorded), dtype
        g = gen(self.seed, "em/input")
        self.poses = self.tensor(g.standard_normal((2, 4, 4, 128))).view(32, 8, 4, 4)
        self.activations = self.tensor(g.uniform(0.05, 0.95, (2, 4, 4, 8))).view(32, 8)
        self.transforms = self.parameter("weights", (1, 8, 5, 4, 4)).squeeze(0)
        self.beta_u = self.parameter("beta_u", (5, 16))
        self.beta_a = self.parameter("beta_a", (5,))

    def tensor(self, values: np.ndarray) -> Tensor:
        return torch.from_numpy(values.astype(np.float32)).to(self.dtype)

    def parameter(self, name: str, shape: tuple[int, ...]) -> Tensor:
        return self.tensor(weight(self.seed, f"em.conv_caps.{name}", shape))


@PRECISIONS
def test_every_quantity_of_every_iteration_equals_the_recorded_one(
    golden_folder: Path, dtype: torch.dtype, suffix: str
) -> None:
    case = Case(golden_folder, dtype)
    exact = dtype == torch.float64
    votes = released_votes(case.poses, case.transforms)
    assert_recorded(case.recorded, f"votes__{suffix}", votes, rel=1e-9 if exact else 3e-6)
    assigned = torch.full((32, 8, 5), 0.2, dtype=dtype)
    for i in range(3):
        step = released_m_step(votes, assigned, case.activations, case.beta_u, case.beta_a)
        rel = 1e-9 if exact else (3e-6 if i == 0 else 2e-4)
        for name, values in (
            ("r_norm", step.weights),
            ("r_sum", step.mass),
            ("mu", step.mu),
            ("sigma_sq", step.variance),
            ("cost", step.cost),
            ("cost_mean", step.cost_mean),
        ):
            assert_recorded(case.recorded, f"m{i}_{name}__{suffix}", values, rel=rel)
        std_key, a_key = f"m{i}_cost_std__{suffix}", f"m{i}_a_out__{suffix}"
        std_tolerance = {"rel": 1e-9} if exact else {"absolute": 3e-6}
        assert_recorded(case.recorded, std_key, step.cost_std, **std_tolerance)
        assert_recorded(case.recorded, a_key, step.activations, absolute=1e-9 if exact else 1e-2)
        if i < 2:
            log_density = released_e_step(votes, step)
            assigned = log_density.softmax(2)
            rel = 1e-9 if exact else 2e-4
            assert_recorded(case.recorded, f"e{i}_ln_ap__{suffix}", log_density, rel=rel)
            assert_recorded(case.recorded, f"e{i}_r__{suffix}", assigned, rel=rel)


@PRECISIONS
@pytest.mark.parametrize("variant", ["", "_act_redrawn", "_act_half_zero"])
def test_routed_capsules_equal_the_recorded_ones(
    golden_folder: Path, dtype: torch.dtype, suffix: str, variant: str
) -> None:
    case = Case(golden_folder, dtype)
    activations = case.activations
    if variant == "_act_redrawn":
        redrawn = gen(case.seed, "em/act2").uniform(0.05, 0.95, (2, 4, 4, 8))
        activations = case.tensor(redrawn).view(32, 8)
    elif variant == "_act_half_zero":
        activations = activations * (torch.arange(8) >= 4)
    routed = em_routing(
        case.poses, activations, case.transforms, case.beta_u, case.beta_a, mode="released"
    )
    stored = case.recorded[f"out{variant}__{suffix}"]
    poses = routed.poses.reshape(2, 4, 4, 80).numpy()
    gap = np.abs(poses - stored[..., :80]).max()
    assert gap <= (1e-9 if dtype == torch.float64 else 1e-4) * np.abs(stored[..., :80]).max()
    gap = np.abs(routed.activations.view(2, 4, 4, 5).numpy() - stored[..., 80:]).max()
    assert gap <= (1e-9 if dtype == torch.float64 else 1e-2)
