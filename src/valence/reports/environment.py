"""What a measurement was made with: the versions of what ran, and the machine."""

import platform
from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from valence.processors import available_cpus, processor_name
from valence.versions import installed_versions

__all__ = ["Environment", "Machine"]

_ALWAYS = ("onnxruntime", "tokenizers")  # reports have named these from the start
_PACKAGES = {"openvino": "openvino", "torch": "torch"}  # of an engine, by the first word of its name


class Machine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A machine on which something was measured.

    Args:
        architecture: such as "x86_64".
        processors: how many the process could use, in a container too.
        processor: what the system calls the processor.
        device: what a model was trained on, "cpu" or "cuda".
        threads: how many PyTorch used for training.
        python: the version of Python.
    """

    architecture: str | None = None
    processors: int | None = None
    processor: str | None = None
    device: str | None = None
    threads: int | None = None
    python: str | None = None


@dataclass(frozen=True)
class Environment:
    """What a measurement was made with.

    Args:
        versions: by the name of the package.
        machine: where it ran.
    """

    versions: dict[str, str]
    machine: Machine

    @classmethod
    def now(cls, engines: Iterable[str] = (), packages: Iterable[str] = ()) -> "Environment":
        """Describe this process.

        Args:
            engines: names of the engines that ran, as reports have them ("torch fp32").
            packages: further packages that the result depends on.

        Returns:
            The versions of valence, of what its engines need and of the packages, as far as they are installed.
        """
        ran = [package for engine in engines if (package := _PACKAGES.get(engine.split()[0])) is not None]
        return cls(
            installed_versions(*dict.fromkeys([*_ALWAYS, *ran, *packages])),
            Machine(architecture=platform.machine(), processors=available_cpus(), processor=processor_name()),
        )
