from __future__ import annotations

import pytest

from vadsdk.models.public_names import known_names

MARK = "conv3d_1a_7x7.batch3d.weight"


@pytest.mark.parametrize(
    ("own", "known"),
    [
        ("conv3d_1a_7x7.conv3d.weight", "Conv3d_1a_7x7.conv3d.weight"),
        ("conv3d_2b_1x1.batch3d.running_mean", "Conv3d_2b_1x1.bn.running_mean"),
        ("conv3d_2c_3x3.batch3d.bias", "Conv3d_2c_3x3.bn.bias"),
        ("mixed_3b.branch_0.conv3d.weight", "Mixed_3b.b0.conv3d.weight"),
        ("mixed_3c.branch_1.0.batch3d.running_var", "Mixed_3c.b1a.bn.running_var"),
        ("mixed_4f.branch_1.1.conv3d.weight", "Mixed_4f.b1b.conv3d.weight"),
        ("mixed_5b.branch_2.0.conv3d.weight", "Mixed_5b.b2a.conv3d.weight"),
        ("mixed_5c.branch_2.1.batch3d.weight", "Mixed_5c.b2b.bn.weight"),
        ("mixed_3b.branch_3.1.batch3d.bias", "Mixed_3b.b3b.bn.bias"),
        ("conv3d_0c_1x1.conv3d.weight", "logits.conv3d.weight"),
        ("module.mixed_3b.branch_0.conv3d.weight", "module.Mixed_3b.b0.conv3d.weight"),
    ],
)
def test_names_of_kinetics_i3d_pytorch_become_those_of_pytorch_i3d(own: str, known: str) -> None:
    assert known_names([MARK, own])[known] == own


def test_names_of_other_files_stay() -> None:
    names = ["mixed_3b.branch_0.conv3d.weight", "Conv3d_1a_7x7.bn.weight", "a.batch3d.weight"]
    assert known_names(names) == {name: name for name in names}
