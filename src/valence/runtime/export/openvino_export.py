"""Our graph as an OpenVINO model, in fp32 or with int8 products.

In int8 the weights are kept with one scale and zero point per output channel; activations are quantised while the
engine runs, in groups of each token's own values (`valence.runtime.openvino_engine.GROUP_SIZE`), so no sample of texts
is needed. Scales fixed beforehand from a sample (NNCF's static quantisation) were no faster at the same agreement with
the source: see LOG.md.
"""

import contextlib
import io
import logging
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import onnx

from valence.errors import ExportError, MissingExtraError
from valence.runtime.openvino_engine import import_openvino, without_telemetry

__all__ = ["export_openvino"]


def export_openvino(graph: onnx.ModelProto, precision: Literal["fp32", "int8"], path: Path) -> None:
    """Write a graph as OpenVINO's .xml and, beside it, its .bin.

    Args:
        graph: in fp32, as `valence.runtime.export.graph.build_graph` writes it.
        precision: of the products with weights.
        path: the .xml; the .bin gets the same stem.

    Raises:
        ExportError: if the graph cannot be converted or written.
        MissingExtraError: if OpenVINO, or for int8 NNCF, is not installed.
    """
    if find_spec("openvino") is None or (precision == "int8" and find_spec("nncf") is None):
        raise MissingExtraError("openvino", "Exporting for OpenVINO")
    openvino = import_openvino()
    try:
        model = openvino.Core().read_model(graph.SerializeToString())
        if precision == "int8":
            model = _compress(model)
        openvino.save_model(model, path, compress_to_fp16=False)
    except Exception as problem:  # OpenVINO and NNCF raise RuntimeError and others of their own
        raise ExportError(f"{path}: OpenVINO cannot write it: {problem}") from None


def _compress(model: Any) -> Any:
    with without_telemetry(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of NNCF about itself
        import nncf

        nncf.set_log_level(logging.ERROR)
        with contextlib.redirect_stdout(io.StringIO()):  # its tables and progress bars
            return nncf.compress_weights(model, mode=nncf.CompressWeightsMode.INT8_ASYM)
