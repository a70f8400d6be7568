"""The ONNX engine: ONNX Runtime on the CPU."""

import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from valence.errors import EngineError
from valence.files import refuse_lfs_pointer
from valence.forking import forget_in_children, keep_for_ever, native_calls
from valence.runtime.engine import Candidate, EngineRecord, Request
from valence.runtime.reopening import Reopening, reopening
from valence.runtime.threads import thread_count
from valence.text.batching import TokenBatch

__all__ = ["ONNX", "OnnxEngine"]

# From 1.29 on ONNX Runtime reports to its makers over the network, unless this is set before it is imported, by whoever
# it is; and a forked process cannot end once the thread that reports has begun.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")


class OnnxEngine:
    """Runs an exported graph.

    One session of all threads serves a batch alone. Batches side by side share a second session, which runs each in
    the thread that calls it and is made when it is first needed.

    Args:
        path: the ONNX file.
        precision: for the engine's name.
        threads: how many to use at most; as many as there are processors if None.
    """

    def __init__(self, path: Path, precision: str = "fp32", threads: int | None = None) -> None:
        self.sessions = thread_count(threads)
        self.name = f"onnx {precision}"
        self.files = (path,)
        self._path = path.absolute()  # for the second session, which may be opened in another working directory
        self._lock = threading.Lock()
        self._by_threads: dict[int, Any] = {}  # number of threads -> session
        with native_calls:
            session = self._session(self.sessions)
        self._inputs = {entry.name for entry in session.get_inputs()}
        outputs = {entry.name: entry.shape for entry in session.get_outputs()}
        if not {"input_ids", "attention_mask"} <= self._inputs or "logits" not in outputs:
            raise EngineError(
                f"{path}: expected inputs input_ids and attention_mask and an output logits, "
                f"found {', '.join(sorted(self._inputs))} and {', '.join(outputs)}"
            )
        n_classes = outputs["logits"][-1]
        if not isinstance(n_classes, int):
            raise EngineError(f"{path}: the width of its logits is not fixed")
        self._n_classes = n_classes
        self._reopening = reopening(OnnxEngine, self.files, precision, threads)
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
        feed = {"input_ids": batch.input_ids, "attention_mask": batch.attention_mask}
        if "token_type_ids" in self._inputs:
            types = batch.token_type_ids
            feed["token_type_ids"] = np.zeros_like(batch.input_ids) if types is None else types
        with native_calls:
            session = self._session(1 if side_by_side else self.sessions)
            try:
                logits: NDArray[np.float32] = session.run(["logits"], feed)[0]
            except Exception as problem:  # ONNX Runtime's own exceptions share no base class
                shape = batch.input_ids.shape
                raise EngineError(f"ONNX Runtime failed on a batch of {shape}: {str(problem).strip()}") from None
        return logits

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


def _open(path: Path, threads: int) -> Any:
    import onnxruntime

    onnxruntime.disable_telemetry_events()  # where it was imported before this module
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # errors come as exceptions
    options.intra_op_num_threads = threads
    try:
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as problem:  # ONNX Runtime's own exceptions share no base class
        refuse_lfs_pointer(path, EngineError)
        raise EngineError(f"{path}: ONNX Runtime cannot load it: {str(problem).strip()}") from None


def _find(request: Request) -> Candidate:
    request.refuse_stale()
    export = request.export("onnx", "ONNX export")

    def start(threads: int | None) -> OnnxEngine:
        return OnnxEngine(request.path(export.file), export.precision, threads)

    reason = "the folder has an export for ONNX Runtime, which runs on every processor"
    return Candidate(start, reason, 40, export)


ONNX = EngineRecord("onnx", _find)
