"""When PyTorch runs a model. Apart from the engine, whose file imports PyTorch."""

from importlib.util import find_spec
from pathlib import Path
from typing import get_args

from valence.errors import EngineError, MissingExtraError
from valence.runtime.engine import Candidate, Engine, EngineRecord, Request, TorchPrecision

__all__ = ["TORCH"]


def _find(request: Request) -> Candidate:
    folder = request.folder
    precision = request.precision
    plain = folder.plain_onnx(precision)
    if not folder.weight_files:
        raise EngineError(f"{folder.name}: it holds {folder.what_it_holds}, so torch cannot run it")
    if precision == "int8":
        raise EngineError(f"{folder.name}: torch runs weights in fp32 or bf16, and int8 was asked for")
    _ = folder.family  # raises where it is not known
    if find_spec("torch") is None:
        no_export = "" if folder.manifest_file.is_file() or plain else f"{folder.name} has no ONNX export, and "
        if not plain and (in_int8 := folder.plain_onnx("int8")):
            file = in_int8[0].relative_to(folder.path)
            no_export = f"{folder.name} has {file}, which runs with precision int8 (--precision int8), and "
        raise MissingExtraError("train", f"{no_export}running weights with torch")

    def start(threads: int | None) -> Engine:
        from valence.runtime.torch_engine import TorchEngine

        return TorchEngine.from_folder(folder, precision, threads=threads)

    reason, rank = "the folder has no export that runs here, so its weights are run as they are", 60
    if plain:
        file = plain[0].relative_to(folder.path)
        reason = f"its weights are run as they are, as nobody knows how {file} of another program agrees with them"
    if _has_gpu():
        reason, rank = "PyTorch finds a GPU", 10
    return Candidate(start, reason, rank, precisions=get_args(TorchPrecision))


def _has_gpu() -> bool:
    """Look for a GPU; without a driver's device file PyTorch need not be imported to know."""
    if not Path("/dev/nvidia0").exists():
        return False
    from valence.runtime.torch_engine import has_gpu

    return has_gpu()


TORCH = EngineRecord("torch", _find)
