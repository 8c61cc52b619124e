"""A network as one of two streams: its answer, and the feature maps of its stages on the way.

Legend: N clips, K classes, C channels.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from vadsdk.errors import ConfigError
from vadsdk.kernels.view_parameters import sample_view
from vadsdk.methods.family import Family
from vadsdk.methods.network import input_size_of, num_classes_of
from vadsdk.methods.views import View
from vadsdk.structures import ModelSpec


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class StreamAnswer:
    """What a stream says of N clips."""

    outputs: Any
    """As its kind of network answers; a named tuple of tensors, clips first."""
    stages: tuple[Tensor, ...]
    """Feature maps (N, C, ...) of its stages, the last one last."""

    def first(self, count: int) -> StreamAnswer:
        """Return what it says of the first clips."""
        return StreamAnswer(
            outputs=type(self.outputs)(*(values[:count] for values in self.outputs)),
            stages=tuple(features[:count] for features in self.stages),
        )


def stage_names_of(network: nn.Module, method: str) -> tuple[str, ...]:
    """Return the modules whose outputs are the network's stages; a ConfigError if it names none."""
    names = getattr(network, "stage_names", ())
    if not names:
        raise ConfigError(
            f"method {method!r} compares the stages of two networks, but "
            f"{type(network).__name__} names no stages; choose another model"
        )
    return cast("tuple[str, ...]", tuple(names))


def run_stream(
    family: Family[Any, Any],
    network: nn.Module,
    stage_names: tuple[str, ...],
    view: View,
    classes: Tensor | None,
) -> StreamAnswer:
    """Return the network's answer to a view with its stages.

    Args:
        family: of the network's kind.
        network: of this stream.
        stage_names: its modules to listen at.
        view: of N clips.
        classes: as in `Family.run`.
    """
    with _listening(network, stage_names) as heard:
        outputs = family.run(network, view, classes)
    return StreamAnswer(outputs=outputs, stages=tuple(heard[name] for name in stage_names))


def fresh_network(network: nn.Module) -> nn.Module:
    """Return a network of the same kind and settings with random weights of its own."""
    build = cast("Any", type(network))
    fresh: nn.Module = build(num_classes_of(network), network.settings)
    device = next(network.parameters()).device
    return fresh.to(device)


@torch.no_grad()
def num_stage_channels(family: Family[Any, Any], network: nn.Module, stage_name: str) -> int:
    """Return C of a stage, asked of a copy of the network that sees one black clip."""
    labels = tuple(str(index) for index in range(num_classes_of(network)))
    spec: ModelSpec = network.spec("stages", labels)  # type: ignore[operator]
    shape = (1, 3, spec.clip_length, *input_size_of(network))
    black = View(
        clips=torch.zeros(shape, device=next(network.parameters()).device),
        parameters=sample_view(1, "identity"),
    )
    asked = copy.deepcopy(network).eval()
    return run_stream(family, asked, (stage_name,), black, None).stages[0].shape[1]


@contextmanager
def _listening(network: nn.Module, stage_names: tuple[str, ...]) -> Iterator[dict[str, Tensor]]:
    """Yield a dict that a forward pass fills with the named modules' outputs."""
    heard: dict[str, Tensor] = {}

    def listener(name: str) -> Any:
        return lambda module, inputs, output: heard.__setitem__(name, output)

    hooks = [
        network.get_submodule(name).register_forward_hook(listener(name)) for name in stage_names
    ]
    try:
        yield heard
    finally:
        for hook in hooks:
            hook.remove()
