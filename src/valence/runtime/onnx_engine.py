"""The ONNX engine: ONNX Runtime on the CPU, for exports of ours and for those of other programs, of any family."""

import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from valence.errors import EngineError
from valence.files import refuse_lfs_pointer
from valence.folder import onnx_data
from valence.forking import forget_in_children, keep_for_ever, native_calls
from valence.runtime.engine import Candidate, EngineRecord, Request
from valence.runtime.reopening import Reopening, reopening
from valence.runtime.threads import thread_count
from valence.text.batching import TokenBatch

__all__ = ["ONNX", "OnnxEngine"]

# From 1.29 on ONNX Runtime reports to its makers over the network, unless this is set before it is imported, by whoever
# it is; and a forked process cannot end once the thread that reports has begun.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")


# What a graph may ask for, and in which types.
_INPUTS = ("input_ids", "attention_mask", "token_type_ids")
_INTEGERS: dict[str, type[np.integer[Any]]] = {"tensor(int64)": np.int64, "tensor(int32)": np.int32}
_FLOATS = ("tensor(float)", "tensor(float16)", "tensor(double)")
_LOGITS = "logits"


class OnnxEngine:
    """Runs an exported graph.

    It may be anybody's: its inputs are known by their names, its output by the name logits, or by having a column for
    each class.

    One session of all threads serves a batch alone. Batches side by side share a second session, which runs each in
    the thread that calls it and is made when it is first needed.

    Args:
        path: the ONNX file.
        precision: for the engine's name; None where it is not known.
        threads: how many to use at most; as many as there are processors if None.
        n_labels: how many classes the model's config names, if it does.

    Raises:
        EngineError: if ONNX Runtime cannot load the file, or it is no classifier.
    """

    def __init__(
        self, path: Path, precision: str | None = "fp32", threads: int | None = None, n_labels: int | None = None
    ) -> None:
        self.sessions = thread_count(threads)
        self.name = "onnx" if precision is None else f"onnx {precision}"
        self.files = (path, *onnx_data(path))
        self._path = path.absolute()  # for the second session, which may be opened in another working directory
        self._lock = threading.Lock()
        self._by_threads: dict[int, Any] = {}  # number of threads -> session
        with native_calls:
            session = self._session(self.sessions)
        outputs = {entry.name: entry.shape for entry in session.get_outputs() if entry.type in _FLOATS}
        self._output = _choose_output(outputs, n_labels)
        self._types = self._types_of(session)
        self._n_classes = self._count_classes(session, outputs[self._output])
        if self._output != _LOGITS and self._n_classes != n_labels:
            raise EngineError(
                f"{path}: expected an output logits, or one with a column for each of the {n_labels or 'unnamed'} "
                f"classes of config.json, found {self._output} of {self._n_classes}: it seems to be no classifier"
            )
        self._reopening = reopening(OnnxEngine, self.files, precision, threads, n_labels)
        forget_in_children(self)

    def __reduce__(self) -> Reopening:
        return self._reopening

    @property
    def n_classes(self) -> int:
        """C, the width of the logits."""
        return self._n_classes

    def logits(self, batch: TokenBatch, side_by_side: bool = False) -> NDArray[np.float32]:
        """Run one batch. Threads may call this at the same time.

        Args:
            batch: B texts.
            side_by_side: whether other batches run at the same time; this one then uses a single thread.

        Returns:
            [B, C].

        Raises:
            EngineError: if ONNX Runtime fails.
        """
        with native_calls:
            return self._run(self._session(1 if side_by_side else self.sessions), batch)

    def _run(self, session: Any, batch: TokenBatch) -> NDArray[np.float32]:
        feed = {name: getattr(batch, name) for name in self._types}
        if feed.get("token_type_ids", batch) is None:
            feed["token_type_ids"] = np.zeros_like(batch.input_ids)
        feed = {name: value.astype(self._types[name], copy=False) for name, value in feed.items()}
        try:
            logits: NDArray[np.generic] = session.run([self._output], feed)[0]
        except Exception as problem:  # ONNX Runtime's own exceptions share no base class
            raise EngineError(f"ONNX Runtime failed on a batch of {batch.input_ids.shape}: {_told(problem)}") from None
        return logits.astype(np.float32, copy=False)

    def _count_classes(self, session: Any, shape: list[int | str | None]) -> int:
        """Tell the width of the output; where the graph leaves it open, or its name, by texts of two lengths."""
        if self._output == _LOGITS and len(shape) == 2 and isinstance(shape[1], int):
            return shape[1]
        found: list[NDArray[np.float32]] = []
        for n_tokens in (3, 4):
            ids = np.zeros((2, n_tokens), dtype=np.int64)
            with native_calls:
                found.append(self._run(session, TokenBatch(ids, np.ones_like(ids))))
        if found[0].ndim != 2 or found[0].shape != found[1].shape:
            shapes = [" x ".join(map(str, one.shape)) for one in found]
            raise EngineError(
                f"{self.files[0]}: its output {self._output} is {shapes[0]} for 2 texts of 3 tokens and {shapes[1]} "
                "for 2 of 4; a text classifier's has a row for each text and a column for each class"
            )
        if found[0].shape[1] > 1 and self._output != _LOGITS and _are_probabilities(found):
            raise EngineError(
                f"{self.files[0]}: its output {self._output} holds probabilities, and logits are needed: export the "
                "model without the softmax"
            )
        return int(found[0].shape[1])

    def _types_of(self, session: Any) -> dict[str, type[np.integer[Any]]]:
        """Read which inputs a graph has, and of which types."""
        path, inputs = self.files[0], {entry.name: entry for entry in session.get_inputs()}
        if not {"input_ids", "attention_mask"} <= inputs.keys() or not self._output:
            outputs = ", ".join(entry.name for entry in session.get_outputs())
            raise EngineError(
                f"{path}: expected inputs input_ids and attention_mask and an output logits, "
                f"found {', '.join(sorted(inputs))} and {outputs}"
            )
        for name, entry in inputs.items():
            if name not in _INPUTS:
                raise EngineError(
                    f"{path}: it needs the input {name}, and a text classifier is given {', '.join(_INPUTS)}: export "
                    "it without"
                )
            if entry.type not in _INTEGERS:
                raise EngineError(f"{path}: expected whole numbers as its input {name}, found {entry.type}")
            if any(isinstance(size, int) for size in entry.shape):
                raise EngineError(
                    f"{path}: its input {name} has the fixed shape {entry.shape}: export it with dynamic axes, so that "
                    "batches and texts of any length fit"
                )
        return {name: _INTEGERS[entry.type] for name, entry in inputs.items()}

    def _session(self, threads: int) -> Any:
        """Get the session of so many threads."""
        session = self._by_threads.get(threads)
        if session is None:
            with self._lock:
                session = self._by_threads.get(threads)
                if session is None:
                    session = self._by_threads[threads] = _open(self._path, threads)
        return session

    def forget_threads(self) -> None:
        """In a forked process: leave sessions whose threads are gone as they are, and open others when needed."""
        for threads, session in self._by_threads.items():
            if threads > 1:
                keep_for_ever(session)
        self._by_threads = {threads: session for threads, session in self._by_threads.items() if threads == 1}
        self._lock = threading.Lock()


def _choose_output(outputs: dict[str, list[int | str | None]], n_labels: int | None) -> str:
    """Choose the output that is most like a classifier's: by its name, then by its width, then by its form."""
    if _LOGITS in outputs:
        return _LOGITS
    tables = {name: shape for name, shape in outputs.items() if len(shape) == 2}
    fitting = [name for name, shape in tables.items() if shape[1] == n_labels]
    return next(iter([*fitting, *tables, *outputs]), "")


def _are_probabilities(found: list[NDArray[np.float32]]) -> bool:
    return all(bool((one >= 0).all()) and np.allclose(one.sum(axis=1), 1.0, atol=1e-4) for one in found)


def _open(path: Path, threads: int) -> Any:
    import onnxruntime

    onnxruntime.disable_telemetry_events()  # where it was imported before this module
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # errors come as exceptions
    options.intra_op_num_threads = threads
    try:
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as problem:  # ONNX Runtime's own exceptions share no base class
        for file in (path, *onnx_data(path)):
            refuse_lfs_pointer(file, EngineError)
        raise EngineError(f"{path}: ONNX Runtime cannot load it: {_told(problem)}") from None


def _told(problem: Exception) -> str:
    """Bring what ONNX Runtime says into one line."""
    return " ".join(str(problem).split())


def _find(request: Request) -> Candidate:
    request.refuse_stale()
    folder = request.folder
    if plain := folder.plain_onnx(request.precision):
        n_labels = None if folder.labels is None else len(folder.labels)

        def start_plain(threads: int | None) -> OnnxEngine:
            return OnnxEngine(plain[0], "int8" if request.precision == "int8" else None, threads, n_labels)

        reason = f"{plain[0].relative_to(folder.path)} was exported by another program, and runs on every processor"
        return Candidate(start_plain, reason, 70, precisions=("int8",))
    export = request.export("onnx", "ONNX export")

    def start(threads: int | None) -> OnnxEngine:
        return OnnxEngine(request.path(export.file), export.precision, threads)

    reason = "the folder has an export for ONNX Runtime, which runs on every processor"
    return Candidate(start, reason, 40, export, ("int8",))


ONNX = EngineRecord("onnx", _find)
