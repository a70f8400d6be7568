"""All engines, in one list."""

from collections.abc import Callable

from valence.errors import InputError
from valence.runtime.engine import EngineRecord
from valence.runtime.native_engine import NATIVE
from valence.runtime.onnx_engine import ONNX
from valence.runtime.openvino_record import OPENVINO
from valence.runtime.torch_record import TORCH

__all__ = ["AUTO", "BUILT_IN", "ENGINES", "engine_names", "register_engine"]

AUTO = "auto"
"""The name for whichever engine is best."""
ENGINES: dict[str, EngineRecord] = {record.name: record for record in (NATIVE, ONNX, OPENVINO, TORCH)}
"""By name."""
BUILT_IN = frozenset(ENGINES)
"""The names of those that valence brings."""


def engine_names() -> tuple[str, ...]:
    """List what an engine can be asked for by.

    Returns:
        "auto", and the names of all engines.
    """
    return (AUTO, *ENGINES)


def register_engine(record: EngineRecord) -> Callable[[], None]:
    """Add an engine, so that it is chosen and asked for like those that valence brings.

    Args:
        record: the engine.

    Returns:
        What takes it back.

    Raises:
        InputError: if there is one of that name already, or the name is no word.
    """
    if not isinstance(record, EngineRecord) or not isinstance(record.name, str) or not record.name.isidentifier():
        raise InputError(f"an engine is an EngineRecord whose name is a word, found {record!r:.80}")
    if record.name in engine_names():
        raise InputError(f"there is an engine {record.name!r} already")
    ENGINES[record.name] = record

    def take_back() -> None:
        if ENGINES.get(record.name) is record:
            del ENGINES[record.name]

    return take_back
