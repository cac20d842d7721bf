"""Kernels for training on the CPU, in C++: built once on a machine that has a compiler, and left out elsewhere.

What they compute, PyTorch computes too, in several steps and slower; nothing needs them. They use oneDNN's products
through PyTorch, in bfloat16, on CPUs that have these in hardware.
"""

from __future__ import annotations

import hashlib
import logging
import os
import platform
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import torch

from callwright.models.bundled import cache_folder

_SOURCES = ("tree_attention.cpp", "rows.cpp")
# OpenMP: at::parallel_for is inlined, and without it runs in one thread
_FLAGS = ("-O3", "-std=c++20", "-march=native", "-fopenmp", "-fPIC", "-shared", "-fno-math-errno", "-w")
_SWITCH = "CALLWRIGHT_KERNELS"
_log = logging.getLogger(__name__)


@cache
def load() -> str:
    """Builds the kernels where there are none yet, and makes them known to torch: "" or why there are none.

    $CALLWRIGHT_KERNELS=0 leaves them out.
    """
    if os.environ.get(_SWITCH) == "0":
        return f"{_SWITCH} is 0"
    compiler = shutil.which(os.environ.get("CXX", "c++"))
    level = torch.backends.cpu.get_cpu_capability()
    if not level.startswith("AVX"):
        return f"they are for AVX2 and AVX512, this CPU has {level}"
    if compiler is None:
        return "there is no C++ compiler (c++) to build them"
    try:
        library = _built(compiler, level)
        torch.ops.load_library(str(library))
    except (OSError, RuntimeError) as error:
        return f"they cannot be built or loaded: {str(error).strip().splitlines()[-1][:200]}"
    return "" if torch.ops.callwright.tree_attention_supported() else "the CPU has no bfloat16 products"


def ready() -> bool:
    """Whether they were loaded. Loads nothing."""
    return bool(load.cache_info().currsize) and not load()


def _built(compiler: str, level: str) -> Path:
    """The library, from the cache where the same was built before. Raises OSError, RuntimeError."""
    from torch.utils.cpp_extension import include_paths, library_paths

    here = Path(__file__).parent
    sources = [here / name for name in _SOURCES]
    version = subprocess.run([compiler, "--version"], capture_output=True, text=True, check=False).stdout
    known = [torch.__version__, version, platform.machine(), _processor(), *_FLAGS]
    texts = [file.read_text(encoding="utf-8") for file in (*sources, *sorted(here.glob("*.h")))]
    key = hashlib.sha256("\n".join([*known, *texts]).encode())
    target = cache_folder() / "kernels" / f"{key.hexdigest()[:20]}.so"
    if target.is_file():
        return target
    _log.warning("building the training kernels for this CPU, once: about half a minute")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        made = Path(folder) / target.name
        command = [compiler, *_FLAGS, f"-D_GLIBCXX_USE_CXX11_ABI={int(torch.compiled_with_cxx11_abi())}"]
        command += [f"-DCPU_CAPABILITY={level}", f"-DCPU_CAPABILITY_{level}"]
        command += [part for path in include_paths() for part in ("-isystem", path)]
        command += [*map(str, sources), "-o", str(made)]
        command += [part for path in library_paths() for part in (f"-L{path}", f"-Wl,-rpath,{path}")]
        done = subprocess.run([*command, "-ltorch_cpu", "-lc10"], capture_output=True, text=True, check=False)
        if done.returncode:
            errors = [line for line in done.stderr.splitlines() if "error" in line]
            raise RuntimeError(errors[0] if errors else done.stderr or "the compiler failed")
        made.replace(target)
    return target


def _processor() -> str:
    """What `-march=native` looks at."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(errors="replace").splitlines() if cpuinfo.is_file() else []
    return next((line for line in lines if line.startswith("flags")), platform.processor())
