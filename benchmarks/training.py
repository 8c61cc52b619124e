"""The training step of paper 1 against what the device can do, and each kernel against its reference.

    python benchmarks/training.py [--device cuda] [--steps 20] [--out FILE]

On a card: `videocapsnet`, 4 labelled and 4 unlabelled clips of 8 x 224 x 224 in two views, frames
from a bank in the card's memory. "ours" is what `vadsdk train` does there (bfloat16, kernels,
compiled, captured as a graph); "plain" is the same network in eager float32 with the reference
operations. Both take the same steps in one run, in turns.

On a CPU: `videocapsnet-n`, 2 + 2 clips; there the kernels are the references, and the two forms
differ in precision alone.

Ceilings are measured first: a large copy, and a large product in the step's type. FLOPs are those
of the network's own layers, counted by torch, forward times 3. Frames are noise: a step's time does
not depend on them. Writes `results/training-<device>.json`; needs torch, triton and numpy.
"""

from __future__ import annotations

import argparse
import gc
import json
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from kernel_cases import Case, kernel_cases
from reference_kernels import reference_kernels
from recording import provenance, RESULTS
from timing import measured_seconds, peak_bytes
from torch import nn

from vadsdk.data.batches import NO_CLASS, ClipBatch
from vadsdk.methods import build_method
from vadsdk.models import build_model
from vadsdk.training.loop import StepReport, Trainer
from vadsdk.training.settings import RunConfig, TrainSettings

NUM_CLASSES, FRAMES = 21, 8
JHMDB_STEPS, JHMDB_FRAMES, JHMDB_STORE = 5900, 37_700, 256
"""Of 50 epochs over 471 unlabelled clips, 4 a step; its frames at the store's size."""
TARGETS = {
    "kernel_share_of_copy": 0.7,
    "routing_speedup": 10.0,
    "routing_memory_ratio": 0.1,
    "step_speedup": 5.0,
    "step_share_of_product": 0.3,
    "jhmdb21_minutes": 6.0,
}
