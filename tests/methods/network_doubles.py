"""Networks small enough to reason about, with the contract that methods rely on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import torch
from torch import Tensor, nn

from vadsdk.data.batches import ClipBatch
from vadsdk.models.outputs import BoxClipOutputs, ClipOutputs, condition_or_own_class
from vadsdk.structures import ModelKind, ModelSpec

NUM_CLASSES = 3
SIDE = 16
FRAMES = 4


def spec_of(kind: ModelKind, name: str, labels: tuple[str, ...]) -> ModelSpec:
    return ModelSpec(
        kind=kind,
        model=name,
        labels=labels,
        clip_length=FRAMES,
        frame_stride=1,
        input_height=SIDE,
        input_width=SIDE,
    )


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
        return spec_of(self.kind, name, labels)

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


class BoxNetwork(nn.Module):
    """A convolution over a grid of 4 x 4 cells with two anchors, and a frame head."""

    kind = "box"
    num_classes = NUM_CLASSES
    input_size = (SIDE, SIDE)
    stage_names = ("body",)
    anchors: Tensor

    def __init__(
        self, seed: int = 0, *, frame_head: bool = True, multi_label: bool = False
    ) -> None:
        super().__init__()
        self.has_frame_head, self.multi_label = frame_head, multi_label
        num_frame_classes = frame_head * (NUM_CLASSES + (not multi_label))
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.body = nn.Conv2d(3, 24, 8, stride=4, padding=2)
            self.head = nn.Conv2d(24, 2 * (5 + NUM_CLASSES), 3, padding=1)
            self.frame = nn.Linear(24, num_frame_classes) if frame_head else None
        self.register_buffer("anchors", torch.tensor([[1.5, 1.5], [3.0, 1.0]]))
        self.clips: list[Tensor] = []

    def spec(self, name: str, labels: tuple[str, ...]) -> ModelSpec:
        return spec_of("box", name, labels)

    def forward(self, clips: Tensor) -> BoxClipOutputs:
        self.clips.append(clips)
        body = torch.relu(self.body(3 * (clips[:, :, -1] - 0.4)))
        frame = clips.new_zeros(len(clips), 0)
        if self.frame is not None:
            frame = self.frame(body.amax((2, 3)))
        return BoxClipOutputs(self.head(body).unflatten(1, (2, -1)), frame)

    def decode(self, predictions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        raw = predictions.permute(0, 3, 4, 1, 2)  # (B, row, column, anchor, 5 + K)
        height, width = raw.shape[1:3]
        cells = torch.stack(
            torch.meshgrid(torch.arange(width), torch.arange(height), indexing="xy")
        )
        centres = raw[..., :2].sigmoid() + cells.permute(1, 2, 0)[:, :, None]
        halves = raw[..., 2:4].exp() * self.anchors / 2
        boxes = torch.cat((centres - halves, centres + halves), -1)
        boxes = boxes / torch.tensor([width, height, width, height])
        scores = raw[..., 5:].sigmoid() if self.multi_label else raw[..., 5:].softmax(-1)
        answer = boxes, raw[..., 4].sigmoid(), scores
        return tuple(values.flatten(1, 3) for values in answer)  # type: ignore[return-value]


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


def box_batch(seed: int = 0, num_labelled: int = 3, num_unlabelled: int = 3) -> ClipBatch:
    """Return `colour_batch` with the boxes of its labelled rows."""
    batch = colour_batch(seed, num_labelled, num_unlabelled)
    boxes = torch.zeros(len(batch), FRAMES, 1, 4)
    for row, mask in enumerate(batch.masks[:, 0]):
        y, x = mask.nonzero().amin(0).tolist()
        boxes[row] = torch.tensor([x, y, x + 6, y + 6]) / SIDE
    classes = batch.class_indices.where(batch.labelled, -1)
    return replace(
        batch,
        masks=batch.masks * batch.labelled[:, None, None, None],
        class_indices=classes,
        boxes_xyxy01=boxes,
        box_classes=classes[:, None, None].expand(-1, FRAMES, 1).clone(),
    )
