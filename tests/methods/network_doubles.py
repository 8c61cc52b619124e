"""Networks small enough to reason about, with the contract that methods rely on."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from vadsdk.data.batches import ClipBatch
from vadsdk.models.outputs import ClipOutputs, condition_or_own_class
from vadsdk.structures import ModelSpec

NUM_CLASSES = 3
SIDE = 16
FRAMES = 4


class ColourNetwork(nn.Module):
    """Two convolutions: enough to tell a colour and where it is; remembers its calls."""

    kind = "mask"
    num_classes = NUM_CLASSES
    input_size = (SIDE, SIDE)
    stage_names = ("body",)

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.body = nn.Conv3d(3, 8, 3, padding=1)
            self.classes = nn.Conv3d(8, NUM_CLASSES, 1)
            self.masks = nn.Conv3d(8, NUM_CLASSES, 1)
        self.clips: list[Tensor] = []
        self.conditions: list[Tensor] = []

    def spec(self, name: str, labels: tuple[str, ...]) -> ModelSpec:
        return ModelSpec(
            kind=self.kind,
            model=name,
            labels=labels,
            clip_length=FRAMES,
            frame_stride=1,
            input_height=SIDE,
            input_width=SIDE,
        )

    def forward(self, clips: Tensor, condition: Tensor | None = None) -> ClipOutputs:
        assert condition is not None
        self.clips.append(clips)
        self.conditions.append(condition)
        body = torch.relu(self.body(clips - 0.5))
        features = (4 * self.classes(body).amax((2, 3, 4))).sigmoid()
        weights = condition_or_own_class(condition, features)
        logits = (4 * self.masks(body) * weights[:, :, None, None, None]).sum(1)
        return ClipOutputs(features, logits, features[:, None])


class RecordedNetwork(nn.Module):
    """Answers each call with the next of the outputs it was given."""

    def __init__(self, outputs: Iterable[ClipOutputs], num_classes: int, side: int) -> None:
        super().__init__()
        self._outputs = iter(outputs)
        self.kind = "mask"
        self.num_classes = num_classes
        self.input_size = (side, side)

    def forward(self, clips: Tensor, condition: Tensor | None = None) -> ClipOutputs:
        return next(self._outputs)


def colour_batch(seed: int = 0, num_labelled: int = 3, num_unlabelled: int = 3) -> ClipBatch:
    """Clips of a grey ground with one coloured box, whose colour is the class."""
    count = num_labelled + num_unlabelled
    generator = torch.Generator().manual_seed(seed)
    classes = torch.arange(count) % NUM_CLASSES
    corners = torch.randint(2, SIDE - 8, (count, 2), generator=generator)
    clips = torch.randint(90, 110, (count, FRAMES, SIDE, SIDE, 3), generator=generator)
    masks = torch.zeros((count, FRAMES, SIDE, SIDE), dtype=torch.uint8)
    for row, (y, x) in enumerate(corners.tolist()):
        masks[row, :, y : y + 6, x : x + 6] = 1
        clips[row, :, y : y + 6, x : x + 6, classes[row]] = 250
    return ClipBatch(
        clips=clips.to(torch.uint8),
        masks=masks,
        class_indices=classes,
        labelled=torch.arange(count) < num_labelled,
        successors=clips.to(torch.uint8).roll(1, dims=3),
    )
