"""One thread for each process that runs tests: several of them share the processors.

Set before anything heavy is imported, which reads it once. What a user's own process does with threads (hangs, forks,
the command line) is tested in processes that do not inherit it: see `usual_environment`.
"""

import os

_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS")


def set_one_thread() -> None:
    """Bind PyTorch, BLAS and the tokenizers of this process to one thread. ONNX Runtime, OpenVINO and our kernels
    follow none of these variables: what they do with several threads is tested as it is.
    """
    os.environ.update(dict.fromkeys(_VARIABLES, "1"))


def usual_environment(**more: str) -> dict[str, str]:
    """The environment of a process as a user starts it."""
    return {name: value for name, value in os.environ.items() if name not in _VARIABLES} | more
