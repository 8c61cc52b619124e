"""What tests on a card are guarded by, as far as a machine without one can tell."""

from __future__ import annotations

import warnings

import pytest
import torch
from no_waiting import card_waits_for_nobody


def test_the_mode_is_left_again_and_its_warning_is_not_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    modes: list[str] = []

    def set_mode(mode: str) -> None:
        if not modes:  # torch's words at its first call
            warnings.warn(
                "Synchronization debug mode is a prototype feature and does not yet detect all "
                "synchronizing operations",
                stacklevel=2,
            )
        modes.append(mode)

    def wait() -> None:
        with card_waits_for_nobody():
            assert modes == ["error"]
            raise RuntimeError("called a synchronizing CUDA operation")

    monkeypatch.setattr(torch.cuda, "set_sync_debug_mode", set_mode)
    with pytest.raises(RuntimeError, match="called a synchronizing"):
        wait()
    assert modes == ["error", "default"]
