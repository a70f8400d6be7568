"""Which engine runs a model on this machine, and why."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, get_args

from valence.errors import ConfigError, EngineError, InputError, MissingExtraError, ValenceError
from valence.files import fingerprint
from valence.folder import ModelFolder
from valence.runtime.engine import Engine
from valence.runtime.manifest import Export, read_manifest
from valence.runtime.native_engine import NativeEngine, why_not_native
from valence.runtime.onnx_engine import OnnxEngine
from valence.runtime.threads import check_threads

__all__ = ["EngineChoice", "EngineName", "TorchPrecision", "choose_engine", "open_engine"]

RunningEngine = Literal["native", "onnx", "openvino", "torch"]
TorchPrecision = Literal["fp32", "bf16"]
EngineName = Literal["auto", "native", "onnx", "openvino", "torch"]
_ENGINES: tuple[RunningEngine, ...] = get_args(RunningEngine)


@dataclass(frozen=True)
class EngineChoice:
    """Which engine runs a model, and why.

    Args:
        name: the engine.
        reason: why this one.
        others: why each of the others was not chosen.
        export: what it runs; None for torch, which runs the weights.
    """

    name: RunningEngine
    reason: str
    others: dict[str, str]
    export: Export | None


def choose_engine(folder: ModelFolder, engine: EngineName = "auto") -> EngineChoice:
    """Decide which engine runs a model on this machine.

    Args:
        folder: the model.
        engine: "auto", or the one that is wanted.

    Returns:
        The choice. "auto" takes a GPU where PyTorch has one; else the export that is the folder's default, in int8
        with the native engine where that runs and agreed with the source; else torch.

    Raises:
        EngineError: if the folder has nothing that the engine asked for can run, or nothing at all.
        MissingExtraError: if what is needed is not installed.
        InputError: if there is no such engine.
    """
    if engine not in get_args(EngineName):
        raise InputError(f"engine must be one of {', '.join(get_args(EngineName))}, found {engine!r}")
    manifest = read_manifest(folder)
    exports: list[Export] = []
    if manifest is not None:  # the default first
        exports = sorted(manifest.exports.values(), key=lambda entry: entry.file != manifest.default)
    fresh = _fresh(folder, exports)
    if engine in ("auto", "onnx", "native") and exports and exports[0] not in fresh:
        raise EngineError(
            f"{folder.name}: {exports[0].file} was exported from other weights than the folder holds now; "
            f"export them: valence export {folder.name}"
        )
    found = {name: _find(folder, name, fresh) for name in _ENGINES}
    if engine != "auto":
        candidate = found[engine]
        if isinstance(candidate, ValenceError):
            raise candidate
        return EngineChoice(engine, "it was asked for", {}, candidate)
    order = _preference(exports, has_gpu=_has_gpu(folder))
    others: dict[str, str] = {
        name: str(candidate) for name, candidate in found.items() if isinstance(candidate, ValenceError)
    }
    passed_over: list[str] = []
    for name, reason in order:
        candidate = found[name]
        if isinstance(candidate, ValenceError):
            continue
        if candidate is not None and name not in candidate.agreement:
            others[name] = f"{candidate.file} was not found to agree with its source in this engine"
            passed_over.append(name)
            continue
        rest: dict[str, str] = {
            other: f"{name} is preferred" for other in _ENGINES if other != name and other not in others
        }
        return EngineChoice(name, reason, rest | others, candidate)
    if passed_over:
        raise EngineError(
            f"{folder.name}: {others[passed_over[0]]}, and no other engine can run it here; "
            f"--engine {passed_over[0]} runs it all the same"
        )
    problem = found["torch"]
    assert isinstance(problem, ValenceError)
    raise problem


def _preference(exports: Sequence[Export], has_gpu: bool) -> list[tuple[RunningEngine, str]]:
    """List engines from the fastest to the slowest, each with the reason to take it."""
    order: list[tuple[RunningEngine, str]] = [("torch", "PyTorch finds a GPU")] if has_gpu else []
    if exports and exports[0].format == "openvino":
        order.append(("openvino", f"{exports[0].file} is the folder's latest export"))
    if exports and exports[0].precision == "int8":
        order.append(("native", "the fastest on a processor with AVX512-VNNI, and no score depends on the batch"))
    order.append(("onnx", "the folder has an export for ONNX Runtime, which runs on every processor"))
    order.append(("openvino", "the folder has an export for OpenVINO"))
    order.append(("torch", "the folder has no export that runs here, so its weights are run as they are"))
    return order


def _find(folder: ModelFolder, name: RunningEngine, exports: Sequence[Export]) -> Export | ValenceError | None:
    """Find what an engine would run (None: the weights), or why it cannot."""
    if name == "torch":
        return _why_not_torch(folder)
    if name == "native" and (reason := why_not_native()):
        return EngineError(f"the native engine cannot run: {reason}")
    if name == "openvino" and find_spec("openvino") is None:
        return MissingExtraError("openvino", "The OpenVINO engine")
    wanted = "--engine openvino" if name == "openvino" else "--precision int8" if name == "native" else ""
    file_format = "openvino" if name == "openvino" else "onnx"
    for entry in exports:
        if entry.format == file_format and (name != "native" or entry.beside is not None):
            return entry
    kind = {"openvino": "OpenVINO export", "native": "int8 export", "onnx": "ONNX export"}[name]
    advice = "" if folder.embedded else f"; make one with: valence export {folder.name} {wanted}".rstrip()
    return EngineError(f"{folder.name}: no {kind}{advice}")


def _why_not_torch(folder: ModelFolder) -> ValenceError | None:
    if not folder.weight_files:
        holds = "exported engines only" if folder.manifest_file.is_file() else "no weights"
        return EngineError(f"{folder.name}: it holds {holds}, so torch cannot run it")
    try:
        _ = folder.architecture
    except ConfigError as problem:
        return problem
    if find_spec("torch") is None:
        no_export = "" if folder.manifest_file.is_file() else f"{folder.name} has no ONNX export, and "
        return MissingExtraError("train", f"{no_export}running weights with torch")
    return None


def _has_gpu(folder: ModelFolder) -> bool:
    """Look for a GPU; without a driver's device file PyTorch need not be imported to know."""
    if not folder.weight_files or find_spec("torch") is None or not Path("/dev/nvidia0").exists():
        return False
    from valence.runtime.torch_engine import has_gpu

    return has_gpu()


def _fresh(folder: ModelFolder, exports: Sequence[Export]) -> list[Export]:
    """Leave out what was exported from other weights than the folder holds."""
    if not exports or not folder.weight_files:
        return list(exports)
    now = fingerprint(folder.weight_files)
    return [export for export in exports if export.source_fingerprint == now]


def open_engine(
    folder: ModelFolder,
    engine: EngineName = "auto",
    threads: int | None = None,
    precision: TorchPrecision | None = None,
) -> Engine:
    """Open the engine that runs a model.

    Args:
        folder: the model.
        engine: see `load`.
        threads: see `load`.
        precision: see `load`.

    Returns:
        The engine.

    Raises:
        EngineError: if the folder has nothing that the engine asked for can run.
        MissingExtraError: if torch is needed and not installed.
        InputError: if there is no such engine, or no such number of threads.
    """
    check_threads(threads)
    choice = choose_engine(folder, engine)
    if precision is not None and choice.name != "torch":
        raise InputError(
            f"precision={precision!r} is for the torch engine, and {choice.name} runs {folder.name}; an export has the "
            "precision it was written in"
        )
    exports = folder.manifest_file.parent
    if choice.export is None:
        from valence.runtime.torch_engine import TorchEngine

        return TorchEngine.from_folder(folder, precision, threads=threads)
    if choice.name == "native":
        assert choice.export.beside is not None
        return NativeEngine(exports / choice.export.beside, threads)
    if choice.name == "openvino":
        from valence.runtime.openvino_engine import OpenVinoEngine

        return OpenVinoEngine(exports / choice.export.file, choice.export.precision, threads)
    return OnnxEngine(exports / choice.export.file, choice.export.precision, threads)
