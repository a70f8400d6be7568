"""When OpenVINO runs a model. Apart from the engine, so that a start without it is quicker."""

from importlib.util import find_spec

from valence.errors import MissingExtraError
from valence.runtime.engine import Candidate, Engine, EngineRecord, Request

__all__ = ["OPENVINO"]


def _find(request: Request) -> Candidate:
    if find_spec("openvino") is None:
        raise MissingExtraError("openvino", "The OpenVINO engine")
    export = request.export("openvino", "OpenVINO export", "--engine openvino")

    def start(threads: int | None) -> Engine:
        from valence.runtime.openvino_engine import OpenVinoEngine

        return OpenVinoEngine(request.path(export.file), export.precision, threads)

    reason, rank = "the folder has an export for OpenVINO", 50
    if request.exports[0] == export:
        reason, rank = f"{export.file} is the folder's latest export", 20
    return Candidate(start, reason, rank, export, ("int8",))


OPENVINO = EngineRecord("openvino", _find)
