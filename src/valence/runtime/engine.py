"""What an engine is: token ids in, logits out. One file per engine; nothing else knows which one runs.

An engine is known by its `EngineRecord`, in its own file or, where that imports a heavy package, in one beside it;
`valence.runtime.registry` lists them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from valence.errors import EngineError
from valence.families import family_of
from valence.folder import PLAIN_ONNX, ModelFolder
from valence.runtime.manifest import Export, Format
from valence.text.batching import TokenBatch

__all__ = ["Candidate", "Engine", "EngineRecord", "Precision", "Request", "TorchPrecision"]

TorchPrecision = Literal["fp32", "bf16"]
Precision = Literal["fp32", "bf16", "int8"]
"""What can be asked for: of the torch engine the first two; of everything else what was exported in int8."""


@runtime_checkable
class Engine(Protocol):
    """Runs a classifier's network."""

    @property
    def name(self) -> str:
        """What runs it and how, such as "onnx int8"."""
        ...

    @property
    def files(self) -> tuple[Path, ...]:
        """What was loaded; empty for a model that was made in memory."""
        ...

    @property
    def n_classes(self) -> int:
        """C, the width of the logits."""
        ...

    @property
    def sessions(self) -> int:
        """How many batches are best run side by side on this machine; 1 where one batch takes all threads itself."""
        ...

    def logits(self, batch: TokenBatch, side_by_side: bool = False) -> NDArray[np.float32]:
        """Run one batch. Threads may call this at the same time.

        Args:
            batch: B texts.
            side_by_side: whether other batches run at the same time; this one then uses a single thread.

        Returns:
            [B, C].
        """
        ...


@dataclass(frozen=True)
class Request:
    """A model that an engine is wanted for.

    Args:
        folder: the model.
        precision: the one asked for, if any.
        exports: those of the folder that were made from the weights it holds now, the default first; where int8 is
            asked for, those in int8.
        stale: the folder's default export, where that was made from other weights.
    """

    folder: ModelFolder
    precision: Precision | None
    exports: Sequence[Export]
    stale: Export | None

    def refuse_stale(self) -> None:
        """Refuse a folder whose default export is of other weights.

        Raises:
            EngineError: if it is.
        """
        if self.stale is not None:
            name = self.folder.name
            raise EngineError(
                f"{name}: {self.stale.file} was exported from other weights than the folder holds now; "
                f"export them: valence export {name}"
            )

    def export(self, file_format: Format, kind: str, option: str = "", with_tensors: bool = False) -> Export:
        """Find the export that an engine runs.

        Args:
            file_format: of its file.
            kind: what such an export is called, for the message.
            option: what `valence export` needs to make one.
            with_tensors: whether its tensors must lie in a file of their own.

        Returns:
            The first such export.

        Raises:
            EngineError: if there is none; says how to make one.
        """
        for export in self.exports:
            if export.format == file_format and (export.beside is not None or not with_tensors):
                return export
        folder, model_type = self.folder, self.folder.config.get("model_type")
        if self.precision == "int8" and "int8" not in kind:
            kind, option = f"{kind} in int8", f"{option} --precision int8"
        advice = f"; make one with: {' '.join(f'valence export {folder.name} {option}'.split())}"
        if folder.embedded:
            advice = ""
        elif family_of(model_type) is None:
            advice = f": valence does not export a {model_type or 'model of no family'}"
            if file_format == "onnx" and not with_tensors:
                file = PLAIN_ONNX["int8" if self.precision == "int8" else None][0]
                advice += f", but runs what another program exported as {file}"
        raise EngineError(f"{folder.name}: no {kind}{advice}")

    def path(self, file: str) -> Path:
        """Find a file of an export.

        Args:
            file: its name.

        Returns:
            Where it lies.
        """
        return self.folder.manifest_file.parent / file


@dataclass(frozen=True)
class Candidate:
    """What an engine would run of a folder.

    Args:
        open: opens it, with as many threads as it may use at most (None: one for each processor).
        reason: why this engine is taken, where none is asked for.
        rank: its place among those that can run the folder, the lowest first; None: only where it is asked for.
        export: the export that it runs, if it runs one. That must have been found to agree with its source in this
            engine for the engine to be taken unasked.
        precisions: those that can be asked for. What was exported has the one it was written in, and where int8 was
            asked for the request has nothing else.
    """

    open: Callable[[int | None], Engine]
    reason: str
    rank: int | None
    export: Export | None = None
    precisions: tuple[str, ...] = ()


@dataclass(frozen=True)
class EngineRecord:
    """An engine, as `valence.runtime.registry` lists it.

    Args:
        name: what it is asked for by.
        find: finds what it would run of a folder; raises a `ValenceError` that says why it cannot.
    """

    name: str
    find: Callable[[Request], Candidate]
