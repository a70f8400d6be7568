"""The tensors of an int8 export, in a safetensors file that the ONNX graph beside it and the native engine both read.

Products with weights are stored as int8 [in, out] with one scale per output channel ("….weight", "….scale"), the word
embeddings as int8 rows with a scale each; all else is float32. The products of a layer are attention.query_key_value
(in the last layer query and key_value, as the graph needs the query of the first token only), attention.output,
feed_forward.up and feed_forward.down.
"""

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from valence.errors import EngineError
from valence.files import refuse_lfs_pointer

__all__ = ["Int8Tensors", "read_tensors", "write_tensors"]

_FORMAT = "valence int8 1"


@dataclass(frozen=True)
class Int8Tensors:
    """What the file holds.

    Args:
        arrays: by name.
        architecture: the name of its family.
        activation: of the feed-forward part: "gelu", "gelu_new" or "relu".
        n_layers: of the encoder.
        n_heads: H.
        layer_norm_eps: of every layer norm.
    """

    arrays: Mapping[str, NDArray[np.generic]]
    architecture: str
    activation: str
    n_layers: int
    n_heads: int
    layer_norm_eps: float


def write_tensors(path: Path, tensors: Int8Tensors) -> dict[str, tuple[int, int]]:
    """Write the file.

    Args:
        path: where.
        tensors: what.

    Returns:
        Where each tensor lies in the file: offset and length in bytes.
    """
    from safetensors.numpy import save

    metadata = {name: str(value) for name, value in vars(tensors).items() if name != "arrays"}
    content = save(dict(tensors.arrays), metadata | {"format": _FORMAT})
    (size,) = struct.unpack_from("<Q", content)
    header = json.loads(content[8 : 8 + size])
    # safetensors writes the metadata in any order; the same tensors shall be the same bytes.
    ordered = json.dumps(header, sort_keys=True, separators=(",", ":")).encode()
    ordered += b" " * (-len(ordered) % 8)  # the data is aligned
    path.write_bytes(struct.pack("<Q", len(ordered)) + ordered + content[8 + size :])
    size = len(ordered)
    places = {name: entry["data_offsets"] for name, entry in header.items() if name != "__metadata__"}
    return {name: (8 + size + begin, end - begin) for name, (begin, end) in places.items()}


def read_tensors(path: Path) -> Int8Tensors:
    """Read the file.

    Args:
        path: what `write_tensors` wrote.

    Returns:
        Its content; shapes are not yet compared with each other.

    Raises:
        EngineError: if it is another file, or damaged.
    """
    from safetensors import safe_open

    try:
        with safe_open(path, "numpy") as file:
            metadata = file.metadata() or {}
            if metadata.get("format") != _FORMAT:
                raise EngineError(f"{path}: expected the format {_FORMAT!r}, found {metadata.get('format')!r}")
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # not a dict
        return Int8Tensors(
            arrays,
            metadata["architecture"],
            metadata["activation"],
            int(metadata["n_layers"]),
            int(metadata["n_heads"]),
            float(metadata["layer_norm_eps"]),
        )
    except EngineError:
        raise
    except Exception as problem:  # safetensors has an exception of its own beside OSError
        refuse_lfs_pointer(path, EngineError)
        raise EngineError(f"{path}: not a readable file of int8 tensors: {problem}") from None
