"""Compiles kernels for a Hopper card where there is none: the compiler refuses what the
interpreter lets pass (a constant set twice, a method of an argument that is given as 1).

A launch then compiles instead: a program launches its kernels on CPU tensors as ever.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from typing import NamedTuple

_BEFORE = """
import json, subprocess, tempfile
import torch, triton
from triton.backends.compiler import GPUTarget
from triton.runtime import driver
from triton.runtime.jit import JITFunction

class NoCard:
    def get_current_target(self): return GPUTarget("cuda", 90, 32)
    def get_current_device(self): return 0
    def get_current_stream(self, device): return 0

driver.set_active(NoCard())
launch, compiled = JITFunction.run, []

def compile_only(self, *args, grid, warmup, **settings):
    compiled.append((self.__name__, launch(self, *args, grid=grid, warmup=True, **settings)))

JITFunction.run = compile_only
"""

_AFTER = """
import os
from triton.backends import nvidia
tool = os.path.join(os.path.dirname(nvidia.__file__), "bin", "cuobjdump")
for name, kernel in compiled:
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(kernel.asm["cubin"])
        file.flush()
        command = [tool, "--dump-resource-usage", file.name]
        usage = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    print(json.dumps({"kernel": name, "usage": usage, "shared": kernel.metadata.shared}))
"""


class Compiled(NamedTuple):
    """What a kernel takes of a multiprocessor."""

    kernel: str
    registers: int
    """Of a thread, at most 255."""
    spilled_bytes: int
    """Of a thread, in memory instead of registers."""
    shared_bytes: int
    """Of a program."""


def compiled_for_hopper(program: str) -> list[Compiled]:
    """Run a program whose kernel launches compile only, and return what was compiled."""
    environment = {k: v for k, v in os.environ.items() if k != "TRITON_INTERPRET"}
    command = [
        sys.executable,
        "-W",
        "error:TRITON_DEFAULT_FP_FUSION",
        "-c",
        _BEFORE + program + _AFTER,
    ]
    finished = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert finished.returncode == 0, finished.stderr[-4000:]
    return [_parsed(line) for line in finished.stdout.splitlines() if line.startswith("{")]


def kernels_compiled_for_hopper(program: str) -> list[str]:
    """Return the names of the kernels that a program launches, each once, in order of the name."""
    return sorted({kernel.kernel for kernel in compiled_for_hopper(program)})


def _parsed(line: str) -> Compiled:
    fields = json.loads(line)
    used = dict(re.findall(r"\b(REG|STACK|LOCAL):(\d+)", fields["usage"]))
    return Compiled(
        fields["kernel"],
        int(used["REG"]),
        int(used["STACK"]) + int(used["LOCAL"]),
        fields["shared"],
    )
