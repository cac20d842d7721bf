"""This machine -> device, precision and attention, each with the reason that is printed."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import torch


@dataclass(frozen=True, slots=True)
class Hardware:
    """The settings a run takes from the machine. precision: 'bf16', 'fp16' or 'float32'; memory in GiB."""

    device: str
    precision: str
    attention: str
    threads: int
    memory_gib: float
    why: dict[str, str]

    @property
    def dtype(self) -> torch.dtype:
        """Of the frozen base weights; LoRA weights are float32 in every case."""
        return {"bf16": torch.bfloat16, "fp16": torch.float16, "float32": torch.float32}[self.precision]


def detect(precision: str = "auto", threads: int = 0) -> Hardware:
    """Looks at the machine. `precision` other than 'auto' is taken as the user's choice; threads 0 means all cores."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    why = {"threads": f"{cores} cores can be used" if not threads else "set in the recipe"}
    if torch.cuda.is_available():
        name = torch.cuda.get_device_name(0)
        device, memory = "cuda", torch.cuda.get_device_properties(0).total_memory / 2**30
        best = "bf16" if torch.cuda.is_bf16_supported() else "fp16"
        why["device"] = name
        why["precision"] = f"{name} {'has' if best == 'bf16' else 'has no'} bfloat16"
    else:
        device, memory = "cpu", _memory_gib()
        fast = cpu_has_bf16()
        best = "bf16" if fast else "float32"
        why["device"] = "no CUDA device is visible"
        why["precision"] = "the CPU has bfloat16 instructions" if fast else "the CPU has no bfloat16 instructions"
    if precision != "auto":
        best, why["precision"] = precision, "set in the recipe"
    why["attention"] = "own kernels for shared prefixes in training; PyTorch's for generation"
    return Hardware(device, best, "sdpa", threads or cores, round(memory, 1), why)


def cpu_has_bf16() -> bool:
    """Whether bfloat16 matrix products run in hardware: AVX512-BF16 or AMX on x86, BF16 on ARM."""
    cpuinfo = Path("/proc/cpuinfo")
    if not cpuinfo.is_file():
        return False
    flags = cpuinfo.read_text(errors="replace")
    return any(flag in flags for flag in ("avx512_bf16", "amx_bf16", " bf16"))


def _memory_gib() -> float:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    except (ValueError, OSError, AttributeError):
        return 0.0
