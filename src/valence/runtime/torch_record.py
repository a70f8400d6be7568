"""When PyTorch runs a model. Apart from the engine, whose file imports PyTorch."""

from importlib.util import find_spec
from pathlib import Path
from typing import get_args

from valence.errors import EngineError, MissingExtraError
from valence.folder import ModelFolder
from valence.runtime.engine import Candidate, Engine, EngineRecord, Request, TorchPrecision

__all__ = ["TORCH"]


def _find(request: Request) -> Candidate:
    folder = request.folder
    if not folder.weight_files:
        holds = "exported engines only" if folder.manifest_file.is_file() else "no weights"
        raise EngineError(f"{folder.name}: it holds {holds}, so torch cannot run it")
    _ = folder.family  # raises where nothing is known of it
    if find_spec("torch") is None:
        no_export = "" if folder.manifest_file.is_file() else f"{folder.name} has no ONNX export, and "
        raise MissingExtraError("train", f"{no_export}running weights with torch")

    def start(threads: int | None) -> Engine:
        from valence.runtime.torch_engine import TorchEngine

        return TorchEngine.from_folder(folder, request.precision, threads=threads)

    reason, rank = "the folder has no export that runs here, so its weights are run as they are", 60
    if _has_gpu(folder):
        reason, rank = "PyTorch finds a GPU", 10
    return Candidate(start, reason, rank, precisions=get_args(TorchPrecision))


def _has_gpu(folder: ModelFolder) -> bool:
    """Look for a GPU; without a driver's device file PyTorch need not be imported to know."""
    if not Path("/dev/nvidia0").exists():
        return False
    from valence.runtime.torch_engine import has_gpu

    return has_gpu()


TORCH = EngineRecord("torch", _find)
