"""Compiles the kernels of the native engine while the package is built or installed.

They need Linux on x86-64 and a C compiler. Without these the package works all the same, with ONNX Runtime;
VALENCE_REQUIRE_NATIVE=1 makes it an error instead.
"""

import os
import platform
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

FOLDER = Path("src/valence/runtime/native")
FLAGS = ("-O3", "-std=gnu11", "-fPIC", "-shared", "-fvisibility=hidden", "-Wall", "-Wextra")


class CompileKernels(BuildHookInterface[Any]):
    """Adds the compiled library to a wheel, and to the source tree for an editable install."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, and mark the wheel as one for this platform.

        Args:
            version: "standard" or "editable".
            build_data: what is told to the builder.

        Raises:
            RuntimeError: if the kernels cannot be compiled and VALENCE_REQUIRE_NATIVE is set.
        """
        if self.target_name != "wheel":
            return
        library = Path(self.root) / FOLDER / "_encoder.so"
        library.unlink(missing_ok=True)
        problem = compile_kernels(Path(self.root) / FOLDER / "encoder.c", library)
        if problem is None:
            build_data["pure_python"] = False
            build_data["tag"] = f"py3-none-linux_{platform.machine()}"
            build_data["artifacts"].append(f"/{FOLDER}/_encoder.so")
        elif os.environ.get("VALENCE_REQUIRE_NATIVE"):
            raise RuntimeError(f"the native engine was not compiled: {problem}")
        else:
            print(f"valence: the native engine was not compiled ({problem}); ONNX Runtime is used", file=sys.stderr)


def compile_kernels(source: Path, library: Path, options: tuple[str, ...] = ()) -> str | None:
    """Compile the kernels.

    Args:
        source: the C file.
        library: the shared library to write.
        options: more for the compiler.

    Returns:
        What went wrong, or None.
    """
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return f"it is for Linux on x86-64, this is {sys.platform} on {platform.machine()}"
    compiler = os.environ.get("CC") or next(filter(shutil.which, ("gcc", "cc")), None)
    if compiler is None:
        return "no C compiler; on Debian and Ubuntu: apt-get install gcc libc6-dev"
    temporary = library.with_suffix(f".{os.getpid()}.partial")
    try:
        command = [*shlex.split(compiler), *FLAGS, *options, "-o", str(temporary), str(source), "-lpthread", "-lm"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            return f"{compiler} failed: {done.stderr.strip()[-500:]}"
        temporary.replace(library)
    except (OSError, ValueError) as failed:  # ValueError: a CC that cannot be divided into words
        return f"{compiler}: {failed}"
    finally:
        temporary.unlink(missing_ok=True)
    return None
