"""Compiles the kernels that a program launches for a card that need not be there.

Triton's interpreter is Python and takes what its compiler refuses; the compiler needs no card.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import torch
import triton

TARGET = ("cuda", 90, 32)  # H100, H200
POINTERS = {
    torch.float32: "*fp32",
    torch.bfloat16: "*bf16",
    torch.float16: "*fp16",
    torch.float64: "*fp64",
    torch.uint8: "*u8",
    torch.int32: "*i32",
    torch.int64: "*i64",
}


def compiled_kernels(program: str, cache: Path) -> list[str]:
    """Return the names of the kernels that a Python program launches on CPU tensors, each compiled.

    Args:
        program: what its launches compute stays unwritten.
        cache: a folder for the compiler.

    Raises:
        AssertionError: the program failed; its last words are in the text.
    """
    finished = subprocess.run(
        [sys.executable, __file__, program],
        env=os.environ | {"TRITON_INTERPRET": "0", "TRITON_CACHE_DIR": str(cache)},
        capture_output=True,
        text=True,
    )
    assert finished.returncode == 0, finished.stderr[-4000:]
    names: list[str] = json.loads(finished.stdout.splitlines()[-1])
    return names


def _compile(kernel: triton.JITFunction, *args: object, **kwargs: object) -> None:
    """Stand in for a launch: compile with the types and constants that it would have."""
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    given = dict(zip(kernel.arg_names, args, strict=False)) | kwargs
    signature, constants, attributes = {}, {}, {}
    for position, parameter in enumerate(kernel.params):
        value = given[parameter.name]
        kind = "i32" if parameter.do_not_specialize else _type_of(value)
        if parameter.is_constexpr or kind == "constexpr":
            signature[parameter.name], constants[parameter.name] = "constexpr", value
            continue
        signature[parameter.name] = kind
        if kind.startswith("*") or (isinstance(value, int) and value % 16 == 0):
            attributes[(position,)] = [["tt.divisibility", 16]]
    options = {n: v for n, v in kwargs.items() if n not in kernel.arg_names}
    options = {n: v for n, v in options.items() if n not in ("grid", "warmup")}
    source = ASTSource(kernel, signature, constants, attributes)
    triton.compile(source, target=GPUTarget(*TARGET), options=options)
    _NAMES.append(kernel.__name__)


def _type_of(value: object) -> str:
    if isinstance(value, torch.Tensor):
        return POINTERS[value.dtype]
    if isinstance(value, float):
        return "fp32"
    if isinstance(value, int) and value != 1:
        return "i32" if abs(value) < 2**31 else "i64"
    return "constexpr"


_NAMES: list[str] = []

if __name__ == "__main__":
    triton.runtime.jit.JITFunction.run = _compile
    exec(sys.argv[1], {"__name__": "program"})
    sys.stdout.write(json.dumps(sorted(set(_NAMES))))
