"""The OpenVINO engine: OpenVINO on the CPU.

A batch is run in parts of equal length, so without padding: in int8 the padding would move a text's probability by up
to 0.01, in bf16 by 0.0005. Texts of one length give the same bits alone and together.

Shapes: B texts of a batch, C classes.
"""

import contextlib
import functools
import os
import sys
import threading
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from queue import Empty, SimpleQueue
from types import ModuleType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from valence.errors import EngineError, InputError, MissingExtraError
from valence.files import refuse_lfs_pointer
from valence.forking import forget_in_children, keep_for_ever, native_calls
from valence.runtime.reopening import Reopening, reopening
from valence.runtime.threads import thread_count
from valence.text.batching import TokenBatch

__all__ = ["GROUP_SIZE", "OpenVinoEngine", "Precision", "import_openvino", "without_telemetry"]

Precision = Literal["fp32", "bf16", "int8"]
GROUP_SIZE = 64
"""Values of a token's activation that share a scale in int8."""
# What runs outside of int8 products. Unless told, OpenVINO takes bf16 wherever the processor has it; where it has not,
# bf16 means fp32.
_ARITHMETIC = {"fp32": "f32", "bf16": "bf16", "int8": "f32"}
_POSITIONS = "positions"  # the name that our graph gives to the table [most tokens, D]


class OpenVinoEngine:
    """Runs an exported graph.

    OpenVINO compiles the network once for batches that run alone, which all threads share, and once for batches
    that run side by side with one thread each; each when it is first needed.

    Args:
        path: OpenVINO's .xml with its .bin beside it, or an ONNX file in fp32.
        precision: what the graph was exported in; "bf16" runs an fp32 graph in bf16, which is faster and less exact
            where the processor has it.
        threads: how many to use; as many as the process may use if None.
        cache: a folder for compiled networks, which makes the next start faster; none if None.

    Raises:
        EngineError: if OpenVINO cannot load the file, or it is no classifier.
        MissingExtraError: if OpenVINO is not installed.
        InputError: if there is no such precision.
    """

    def __init__(
        self, path: Path, precision: Precision = "fp32", threads: int | None = None, cache: Path | None = None
    ) -> None:
        if precision not in _ARITHMETIC:
            raise InputError(f"precision must be one of {', '.join(_ARITHMETIC)}, found {precision!r}")
        if find_spec("openvino") is None:
            raise MissingExtraError("openvino", "The OpenVINO engine")
        self._path = path.absolute()
        self._n_threads = thread_count(threads)
        self._options: dict[str, object] = {
            "INFERENCE_PRECISION_HINT": _ARITHMETIC[precision],
            "DYNAMIC_QUANTIZATION_GROUP_SIZE": GROUP_SIZE if precision == "int8" else 0,
        }
        if cache is not None:
            self._options["CACHE_DIR"] = str(cache)
        self._compiling = threading.Lock()
        self._networks: dict[bool, Any] = {}
        self._idle: dict[bool, SimpleQueue[Any]] = {False: SimpleQueue(), True: SimpleQueue()}
        with native_calls:
            self._core: Any = import_openvino().Core()
            self._graph: Any = self._read()
        self._inputs = {name for port in self._graph.inputs for name in port.get_names()}
        outputs = {name: port for port in self._graph.outputs for name in port.get_names()}
        if not {"input_ids", "attention_mask"} <= self._inputs or "logits" not in outputs:
            raise EngineError(
                f"{path}: expected inputs input_ids and attention_mask and an output logits, "
                f"found {', '.join(sorted(self._inputs))} and {', '.join(outputs)}"
            )
        width = outputs["logits"].get_partial_shape()[-1]
        if not width.is_static:
            raise EngineError(f"{path}: the width of its logits is not fixed")
        self._n_classes = int(width.get_length())
        positions = [op.shape for op in self._graph.get_ordered_ops() if op.get_friendly_name() == _POSITIONS]
        if len(positions) != 1:
            raise EngineError(f"{path}: it has no table {_POSITIONS!r}, so valence export did not write it")
        self._max_tokens = int(positions[0][0])
        self.sessions = self._n_threads
        self.name = f"openvino {precision}"
        self.files = (path, path.with_suffix(".bin")) if path.suffix == ".xml" else (path,)
        self._reopening = reopening(OpenVinoEngine, self.files, precision, threads, cache)
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
            EngineError: if OpenVINO fails.
        """
        _refuse_in_forked_process()
        lengths = batch.attention_mask.sum(axis=1)  # [B]
        if lengths.max() > self._max_tokens:  # OpenVINO would read past the end of the table
            raise EngineError(f"a text of {lengths.max()} tokens, and the model reads {self._max_tokens}")
        logits = np.empty((len(lengths), self._n_classes), dtype=np.float32)
        with native_calls:
            request = self._take_request(side_by_side)
            try:
                for length in np.unique(lengths):
                    rows = np.flatnonzero(lengths == length)
                    request.infer(self._feed(batch, rows, length))
                    logits[rows] = request.get_tensor("logits").data
            except Exception as problem:  # as above
                shape = batch.input_ids.shape
                raise EngineError(f"OpenVINO failed on a batch of {shape}: {_first_line(problem)}") from None
            finally:
                self._idle[side_by_side].put(request)
        return logits

    def forget_threads(self) -> None:
        """In a forked process, where they are of no use: leave alone what has threads that are gone."""
        keep_for_ever((self._core, self._graph, self._networks, self._idle))

    def _read(self) -> Any:
        """Read the graph."""
        parts = (self._path, self._path.with_suffix(".bin")) if self._path.suffix == ".xml" else (self._path,)
        if absent := [part for part in parts if not part.is_file()]:
            raise EngineError(f"{self._path}: OpenVINO cannot read it: no such file: {absent[0]}")
        try:
            return self._core.read_model(self._path)
        except Exception as problem:  # OpenVINO raises RuntimeError, of many kinds
            for part in parts:
                refuse_lfs_pointer(part, EngineError)
            raise EngineError(f"{self._path}: OpenVINO cannot read it: {_first_line(problem)}") from None

    def _feed(self, batch: TokenBatch, rows: NDArray[np.intp], length: int) -> dict[str, NDArray[np.int64]]:
        feed = {"input_ids": batch.input_ids[rows, :length], "attention_mask": batch.attention_mask[rows, :length]}
        if "token_type_ids" in self._inputs:
            types = batch.token_type_ids
            feed["token_type_ids"] = np.zeros_like(feed["input_ids"]) if types is None else types[rows, :length]
        return feed

    def _take_request(self, side_by_side: bool) -> Any:
        """Take an idle request, or make one; a request serves one thread at a time."""
        try:
            return self._idle[side_by_side].get_nowait()
        except Empty:
            return self._network(side_by_side).create_infer_request()

    def _network(self, side_by_side: bool) -> Any:
        with self._compiling:
            if side_by_side not in self._networks:
                streams = self._n_threads if side_by_side else 1
                options = self._options | {"NUM_STREAMS": streams, "INFERENCE_NUM_THREADS": self._n_threads}
                try:
                    self._networks[side_by_side] = self._core.compile_model(self._graph, "CPU", options)
                except Exception as problem:  # as above
                    raise EngineError(f"{self._path}: OpenVINO cannot compile it: {_first_line(problem)}") from None
            return self._networks[side_by_side]


def import_openvino() -> ModuleType:
    """Import OpenVINO, and leave out that it reports to its makers that it was imported.

    Returns:
        The module.

    Raises:
        EngineError: in a process that was forked from one that had used it.
    """
    _refuse_in_forked_process()
    with native_calls, _first_use, without_telemetry():
        import openvino

        module: ModuleType = openvino
        _use_once(module)
    return module


_first_use = threading.Lock()
_used_by: set[int] = set()  # this process and, in a forked one, those it stems from


def _refuse_in_forked_process() -> None:
    """Refuse to run where OpenVINO may wait for ever.

    Its scheduler counts its threads that are about to leave their work, which they do after a call has ended. A process
    that is forked at such a moment has the count and not the threads, and waits for them at its next network.
    """
    if _used_by and os.getpid() not in _used_by:
        raise EngineError(
            "OpenVINO cannot run in a process that was forked from one that had used it: load the model in the new "
            "process alone, start that with 'spawn', or export for another engine"
        )


@functools.cache
def _use_once(openvino: ModuleType) -> None:
    """Do once, in one thread, all that a batch does.

    The variables of its Python binding are set when they are first used: by Python code, behind a guard of C++. Where
    two threads came first, one could wait for the guard with Python's lock in its hands, and the other, behind the
    guard, for Python's lock: for ever.
    """
    _used_by.add(os.getpid())
    value = openvino.opset13.parameter([-1], np.int64, name="input")
    graph = openvino.Model([openvino.opset13.convert(value, "f32")], [value], "first use")
    request = openvino.Core().compile_model(graph, "CPU", {"INFERENCE_NUM_THREADS": 1}).create_infer_request()
    request.infer({0: np.zeros(1, dtype=np.int64)})
    _ = request.get_output_tensor(0).data


@contextlib.contextmanager
def without_telemetry() -> Iterator[None]:
    """Let OpenVINO and NNCF find no telemetry package while they are imported; both then work without one.

    Yields:
        Nothing.
    """
    name = "openvino_telemetry"
    had_it, before = name in sys.modules, sys.modules.get(name)
    sys.modules[name] = None  # type: ignore[assignment]  # makes an import of it fail
    try:
        yield
    finally:
        del sys.modules[name]
        if had_it and before is not None:
            sys.modules[name] = before


def _first_line(problem: Exception) -> str:
    """Leave out OpenVINO's own source lines, which say nothing to a user."""
    lines = [line.strip() for line in str(problem).splitlines()]
    said = [line for line in lines if line and not line.startswith(("Exception from", "Check '"))]
    return (said or lines or [type(problem).__name__])[0]
