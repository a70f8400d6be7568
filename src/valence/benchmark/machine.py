"""What was measured on: the processor, its instructions, the versions."""

import platform
from pathlib import Path

from valence.benchmark.results import MachineFacts
from valence.processors import processor_features
from valence.reports.environment import Environment

__all__ = ["PACKAGES", "describe_machine", "versions"]

PACKAGES = (
    "tokenizers",
    "onnxruntime",
    "openvino",
    "nncf",
    "ctranslate2",
    "transformers",
    "torch",
    "onnx",
    "numpy",
)


def describe_machine() -> MachineFacts:
    """Describe the machine.

    Returns:
        The processor's name, cores and instructions, the memory, and the Python.
    """
    machine = Environment.now().machine
    return {
        "processor": machine.processor,
        "family": f"{_field('/proc/cpuinfo', 'cpu family')}.{_field('/proc/cpuinfo', 'model')}",
        "cores": machine.processors,
        "features": list(processor_features()),
        "memory_gib": round(int(_field("/proc/meminfo", "MemTotal").split()[0] or 0) / 2**20, 1)
        if _field("/proc/meminfo", "MemTotal")
        else None,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


def versions() -> dict[str, str]:
    """List the versions of what is installed.

    Returns:
        By package.
    """
    return Environment.now(packages=PACKAGES).versions


def _field(path: str, name: str) -> str:
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.partition(":")[0].strip() == name), "")
