"""Which engine runs a model on this machine, and why."""

from dataclasses import dataclass
from typing import get_args

from valence.errors import EngineError, InputError, ValenceError
from valence.families import FAMILIES
from valence.files import fingerprint
from valence.folder import ModelFolder
from valence.runtime.engine import Candidate, Engine, Precision, Request, TorchPrecision
from valence.runtime.manifest import Export, read_manifest
from valence.runtime.registry import AUTO, BUILT_IN, ENGINES, engine_names
from valence.runtime.threads import check_threads

__all__ = ["EngineChoice", "EngineName", "asked_for", "choose_engine", "open_engine"]

EngineName = str
"""One of `valence.runtime.registry.engine_names`."""


@dataclass(frozen=True)
class EngineChoice:
    """Which engine runs a model, and why.

    Args:
        name: the engine.
        reason: why this one.
        others: why each of the others was not chosen.
        candidate: what it runs, and how it is opened.
    """

    name: str
    reason: str
    others: dict[str, str]
    candidate: Candidate

    @property
    def export(self) -> Export | None:
        """The export of ours that it runs; None where it runs weights, or what another program exported."""
        return self.candidate.export


def choose_engine(folder: ModelFolder, engine: EngineName = AUTO, precision: Precision | None = None) -> EngineChoice:
    """Decide which engine runs a model on this machine.

    Args:
        folder: the model.
        engine: "auto", or the one that is wanted.
        precision: the one that is wanted, if any.

    Returns:
        The choice. "auto" takes a GPU where PyTorch has one; else the export that is the folder's default, in int8
        with the native engine where that runs and agreed with the source; else torch; else ONNX Runtime with a file
        that another program exported.

    Raises:
        EngineError: if the folder has nothing that the engine asked for can run, or nothing at all.
        MissingExtraError: if what is needed is not installed.
        InputError: if there is no such engine or precision.
    """
    if engine not in engine_names():
        raise InputError(f"engine must be one of {', '.join(engine_names())}, found {engine!r}")
    if precision not in (None, *get_args(Precision)):
        raise InputError(f"precision must be one of {', '.join(get_args(Precision))}, found {precision!r}")
    request = _request(folder, precision)
    if engine != AUTO:
        return EngineChoice(engine, "it was asked for", {}, ENGINES[engine].find(request))
    request.refuse_stale()
    found: dict[str, Candidate] = {}
    problems: dict[str, ValenceError] = {}
    for name, record in ENGINES.items():
        try:
            found[name] = record.find(request)
        except ValenceError as problem:
            problems[name] = problem
        except Exception as problem:
            if record.name in BUILT_IN:
                raise
            problems[name] = EngineError(
                f"the engine {name} cannot say what it runs: {type(problem).__name__}: {problem}"
            )
    others = {name: str(problem) for name, problem in problems.items()}
    passed_over: list[str] = []
    ranked = [(candidate.rank, name) for name, candidate in found.items() if candidate.rank is not None]
    for _, name in sorted(ranked, key=lambda pair: pair[0]):
        candidate = found[name]
        if candidate.export is not None and name not in candidate.export.agreement:
            others[name] = f"{candidate.export.file} was not found to agree with its source in this engine"
            passed_over.append(name)
            continue
        rest = {other: f"{name} is preferred" for other in ENGINES if other != name and other not in others}
        return EngineChoice(name, candidate.reason, rest | others, candidate)
    if passed_over:
        raise EngineError(
            f"{folder.name}: {others[passed_over[0]]}, and no other engine can run it here; "
            f"--engine {passed_over[0]} runs it all the same"
        )
    if not (folder.weight_files or folder.manifest_file.is_file() or folder.plain_onnx() or folder.plain_onnx("int8")):
        raise EngineError(
            f"{folder.path}: nothing to run: expected weights (model.safetensors or pytorch_model.bin) of "
            f"{', '.join(FAMILIES)}, or of any family an ONNX export as onnx/model.onnx, which optimum or "
            f"torch.onnx.export writes; it holds no weights of the {folder.config.get('model_type') or 'model'}"
        )
    raise problems["onnx" if precision == "int8" else "torch"]  # what would be there with the least ado


def asked_for(name: str) -> tuple[EngineName, Precision | None]:
    """Read an engine's own name, as reports have it: what is to be asked for to get the same.

    Args:
        name: such as "native int8", "torch fp32", "onnx".

    Returns:
        The engine, and the precision where one can be asked for.
    """
    engine, _, precision = name.partition(" ")
    of_torch = [one for one in get_args(TorchPrecision) if engine == "torch" and one == precision]
    return engine, "int8" if precision == "int8" else next(iter(of_torch), None)


def _request(folder: ModelFolder, precision: Precision | None) -> Request:
    """Read what a folder has for engines, and leave out what was exported from other weights than it holds."""
    manifest = read_manifest(folder)
    if manifest is None:
        return Request(folder, precision, (), None)
    exports = sorted(manifest.exports.values(), key=lambda export: export.file != manifest.default)
    fresh = exports
    if folder.weight_files:
        now = fingerprint(folder.weight_files)
        fresh = [export for export in exports if export.source_fingerprint == now]
    stale = None if exports[0] in fresh else exports[0]
    if precision == "int8":
        fresh = [export for export in fresh if export.precision == "int8"]
    return Request(folder, precision, fresh, stale)


def open_engine(
    folder: ModelFolder,
    engine: EngineName = AUTO,
    threads: int | None = None,
    precision: Precision | None = None,
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
    choice = choose_engine(folder, engine, precision)
    if precision is not None and precision not in choice.candidate.precisions:
        raise InputError(
            f"precision={precision!r} is for the torch engine, and {choice.name} runs {folder.name}; an export has the "
            "precision it was written in"
        )
    return choice.candidate.open(threads)
