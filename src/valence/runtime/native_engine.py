"""The native engine: our own int8 kernels for processors with AVX512-VNNI; see native/encoder.c.

A text's logits are the same bits alone, in any batch and with any number of threads: activations have one scale per
token and group of 64 columns, sums of products are whole numbers, and nothing is padded.

Shapes: B texts of a batch, N tokens of all of them, C classes, D width, F feed-forward width, V vocabulary.
"""

import ctypes
import functools
import os
import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from valence.errors import EngineError
from valence.families import family_of
from valence.forking import native_calls
from valence.runtime.engine import Candidate, EngineRecord, Request
from valence.runtime.int8_tensors import Int8Tensors, read_tensors
from valence.runtime.reopening import Reopening, reopening
from valence.runtime.threads import thread_count
from valence.text.batching import TokenBatch

__all__ = ["NATIVE", "NativeEngine", "why_not_native"]

_LIBRARY = Path(__file__).parent / "native" / "_encoder.so"
_GROUP = 64  # columns that share an activation scale
_LANES = 16  # floats in a vector
_ACTIVATIONS = {"gelu": 0, "gelu_new": 1, "gelu_pytorch_tanh": 1, "relu": 2}
_HEAD_ACTIVATIONS = {"relu": 0, "tanh": 1, "gelu": 2}
_OUT_OF_MEMORY = 1
_ELF64 = b"\x7fELF\x02\x01"  # little-endian
_INTERFACE = 2  # the version of what is repeated here of encoder.c, in both files


class _Shape(ctypes.Structure):
    _fields_ = (
        *(
            (name, ctypes.c_int32)
            for name in (
                "vocabulary",
                "positions",
                "token_types",
                "hidden",
                "embedding",
                "heads",
                "feed_forward",
                "layers",
                "classes",
                "activation",
                "head_activation",
            )
        ),
        ("epsilon", ctypes.c_float),
    )


class _Linear(ctypes.Structure):
    _fields_ = (("weight", ctypes.c_void_p), ("scale", ctypes.c_void_p), ("bias", ctypes.c_void_p))


class _Norm(ctypes.Structure):
    _fields_ = (("weight", ctypes.c_void_p), ("bias", ctypes.c_void_p))


class _Layer(ctypes.Structure):
    _fields_ = (
        *((name, _Linear) for name in ("query_key_value", "output", "up", "down")),
        *((name, _Norm) for name in ("attention_norm", "feed_forward_norm")),
    )


class _Model(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("words", "words_scale", "positions", "token_types")),
        ("embedding_norm", _Norm),
        ("projection", _Linear),
        ("transform", _Linear),
        ("classifier", ctypes.c_void_p),
        ("classifier_bias", ctypes.c_void_p),
    )


_STRUCTS: tuple[type[ctypes.Structure], ...] = (_Shape, _Linear, _Norm, _Layer, _Model)  # as valence_interface has them


class NativeEngine:
    """Runs the tensors of an int8 export.

    Args:
        path: the safetensors file.
        threads: how many to use at most; as many as there are processors if None.

    Raises:
        EngineError: if the kernels cannot run here, or the file is not such an export.
    """

    name = "native int8"

    def __init__(self, path: Path, threads: int | None = None) -> None:
        if reason := why_not_native():
            raise EngineError(f"the native engine cannot run: {reason}")
        self.sessions = thread_count(threads)
        self.files = (path,)
        self._library = _library()
        tensors = read_tensors(path)
        weights = _Weights(path, tensors)
        self._tables = weights.tables  # read where they lie as long as the model is open
        self._has_types = weights.shape.token_types > 0
        self._vocabulary = int(weights.shape.vocabulary)
        self._n_classes = int(weights.shape.classes)
        self._model = self._library.valence_open(
            ctypes.byref(weights.shape), ctypes.byref(weights.model), weights.layers
        )
        if not self._model:
            raise EngineError(f"{path}: not enough memory for its weights")
        self._reopening = reopening(NativeEngine, self.files, threads)

    def __del__(self) -> None:
        if getattr(self, "_model", None):
            self._library.valence_close(self._model)

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
            EngineError: if the batch holds what the model has no embedding for, or memory is short.
        """
        is_token = batch.attention_mask.astype(bool)
        ids = batch.input_ids[is_token]  # [N], text after text
        if ids.size and (ids.min() < 0 or ids.max() >= self._vocabulary):
            raise EngineError(f"a token of the batch is not one of the {self._vocabulary:,} that the model knows")
        ids = ids.astype(np.int32)
        has_types = self._has_types and batch.token_type_ids is not None
        types = batch.token_type_ids[is_token].astype(np.int32) if has_types else None  # type: ignore[index]
        starts = np.zeros(len(is_token) + 1, dtype=np.int64)
        np.cumsum(is_token.sum(axis=1), out=starts[1:])
        logits = np.empty((len(is_token), self._n_classes), dtype=np.float32)
        with native_calls:
            status = self._library.valence_logits(
                self._model,
                ids.ctypes.data,
                None if types is None else types.ctypes.data,
                starts.ctypes.data,
                len(is_token),
                1 if side_by_side else self.sessions,
                logits.ctypes.data,
            )
        if status == _OUT_OF_MEMORY:
            raise EngineError(f"not enough memory for a batch of {len(ids)} tokens")
        if status:
            raise EngineError(
                f"a batch of {batch.input_ids.shape} holds a text without tokens or longer than the model reads, or a "
                "token type that the model does not know"
            )
        return logits


class _Weights:
    """Pointers to the arrays of a file, after every shape was compared with the others."""

    def __init__(self, path: Path, tensors: Int8Tensors) -> None:
        self.path = path
        self.arrays = tensors.arrays
        self.kept: list[NDArray[np.generic]] = []  # alive until the kernels have their own copy
        family = family_of(tensors.architecture)
        if family is None or family.why_not_native is not None:
            why = "this version does not know it" if family is None else family.why_not_native
            title = tensors.architecture if family is None else family.title
            raise EngineError(f"{path}: the native engine does not run {title}: {why}")
        words = self.array("words", np.int8, (None, None))
        vocabulary, width = words.shape
        positions = self.array("positions", np.float32, (None, width))
        types = self.array("token_types", np.float32, (None, width)) if "token_types" in self.arrays else None
        classifier = self.array("head.classifier.weight", np.float32, (None, None)).T
        hidden = classifier.shape[1]
        wide = self.array("encoder.layers.0.feed_forward.up.bias", np.float32, (None,)).size
        heads = tensors.n_heads
        head_activation = family.heads["classification"].activation or tensors.activation
        known = tensors.activation in _ACTIVATIONS, head_activation in _HEAD_ACTIVATIONS
        if not all(known) or heads < 1 or hidden % heads or tensors.n_layers < 1:
            raise EngineError(
                f"{path}: expected an encoder with heads that share its width of {hidden}, found {heads} heads, "
                f"{tensors.n_layers} layers, {tensors.activation!r}, {tensors.architecture!r}"
            )
        widths = dict.fromkeys((hidden, width, wide))
        if (
            any(one % _GROUP for one in widths)
            or width > 3 * hidden  # the room that a call has for each token
            or _GROUP % (hidden // heads)
            or (hidden // heads) % _LANES
        ):
            raise EngineError(
                f"{path}: the native engine needs widths that are multiples of {_GROUP} and heads of 16, 32 or 64 "
                f"columns, found {', '.join(map(str, widths))} and {hidden // heads}"
            )
        last = tensors.n_layers - 1
        layers = [self.layer(f"encoder.layers.{i}.", hidden, wide, is_last=i == last) for i in range(tensors.n_layers)]
        self.layers = (_Layer * len(layers))(*layers)
        scales = self.array("words.scale", np.float32, (vocabulary, 1))
        self.model = _Model(
            words.ctypes.data,
            scales.ctypes.data,
            positions.ctypes.data,
            None if types is None else types.ctypes.data,
            self.norm("encoder.embeddings.norm", width),
            _Linear() if width == hidden else self.linear("encoder.embeddings.projection", width, hidden),
            self.linear("head.transform", hidden, hidden),
            self.keep(classifier).ctypes.data,
            self.array("head.classifier.bias", np.float32, (len(classifier),)).ctypes.data,
        )
        self.tables = [words, scales, positions, types]
        self.shape = _Shape(
            vocabulary,
            len(positions),
            0 if types is None else len(types),
            hidden,
            width,
            heads,
            wide,
            tensors.n_layers,
            len(classifier),
            _ACTIVATIONS[tensors.activation],
            _HEAD_ACTIVATIONS[head_activation],
            tensors.layer_norm_eps,
        )

    def array(self, name: str, dtype: type[np.generic], shape: tuple[int | None, ...]) -> NDArray[np.generic]:
        found = self.arrays.get(name)
        if found is not None and found.dtype == dtype and found.ndim == len(shape) and found.size > 0:
            fits = all(expected in (None, size) for expected, size in zip(shape, found.shape, strict=True))
            if fits:
                return self.keep(found)
        expected = " x ".join("any" if size is None else str(size) for size in shape)
        described = "nothing" if found is None else f"{found.dtype} {' x '.join(map(str, found.shape))}"
        raise EngineError(f"{self.path}: {name}: expected {np.dtype(dtype)} {expected}, found {described}")

    def keep(self, array: NDArray[np.generic]) -> NDArray[np.generic]:
        kept = np.ascontiguousarray(array)
        self.kept.append(kept)
        return kept

    def layer(self, prefix: str, hidden: int, wide: int, is_last: bool) -> _Layer:
        if is_last:
            query = self.linear_arrays(prefix + "attention.query", hidden, hidden)
            key_value = self.linear_arrays(prefix + "attention.key_value", hidden, 2 * hidden)
            together = [np.concatenate(pair, axis=-1) for pair in zip(query, key_value, strict=True)]
        else:
            together = self.linear_arrays(prefix + "attention.query_key_value", hidden, 3 * hidden)
        return _Layer(
            _Linear(*(self.keep(array).ctypes.data for array in together)),
            self.linear(prefix + "attention.output", hidden, hidden),
            self.linear(prefix + "feed_forward.up", hidden, wide),
            self.linear(prefix + "feed_forward.down", wide, hidden),
            self.norm(prefix + "attention_norm", hidden),
            self.norm(prefix + "feed_forward_norm", hidden),
        )

    def linear(self, name: str, width_in: int, width_out: int) -> _Linear:
        return _Linear(*(array.ctypes.data for array in self.linear_arrays(name, width_in, width_out)))

    def linear_arrays(self, name: str, width_in: int, width_out: int) -> list[NDArray[np.generic]]:
        return [
            self.array(name + ".weight", np.int8, (width_in, width_out)),
            self.array(name + ".scale", np.float32, (width_out,)),
            self.array(name + ".bias", np.float32, (width_out,)),
        ]

    def norm(self, name: str, width: int) -> _Norm:
        return _Norm(
            self.array(name + ".weight", np.float32, (width,)).ctypes.data,
            self.array(name + ".bias", np.float32, (width,)).ctypes.data,
        )


def why_not_native() -> str | None:
    """Tell why the native engine cannot run here.

    Returns:
        The reason, or None where it can.
    """
    if not _LIBRARY.is_file():
        return "its kernels were not compiled when valence was installed (they need Linux on x86-64 and a C compiler)"
    try:
        supported = bool(_library().valence_supported())
    except (OSError, ValueError) as problem:
        return f"its kernels cannot be loaded: {problem}; install valence again, which compiles them anew"
    return None if supported else "this processor has no AVX512-VNNI instructions"


@functools.cache
def _library() -> ctypes.CDLL:
    _check_whole(_LIBRARY)
    library = ctypes.CDLL(str(_LIBRARY))
    _check_interface(library)
    library.valence_open.restype = ctypes.c_void_p
    library.valence_open.argtypes = [ctypes.c_void_p] * 3
    library.valence_close.restype = None
    library.valence_close.argtypes = [ctypes.c_void_p]
    library.valence_logits.argtypes = [*[ctypes.c_void_p] * 4, ctypes.c_int32, ctypes.c_int32, ctypes.c_void_p]
    return library


def _check_whole(path: Path) -> None:
    """Refuse a library that lacks its end, by its ELF header: the process that loads one is killed."""
    with path.open("rb") as file:
        header = file.read(64)
        size = file.seek(0, os.SEEK_END)
    if len(header) < 64 or header[:6] != _ELF64:
        raise ValueError(f"{path} is no library for this system")
    (sections,) = struct.unpack_from("<Q", header, 40)  # the table of sections, which is a library's end
    section_size, n_sections = struct.unpack_from("<HH", header, 58)
    if sections + section_size * n_sections > size:
        raise ValueError(f"{path} lacks its end")


def _check_interface(library: ctypes.CDLL) -> None:
    """Refuse a library that was compiled from another version of encoder.c: it would read our structs as its own."""
    try:
        version = ctypes.c_int32.in_dll(library, "valence_interface").value
    except ValueError:  # no such symbol
        raise ValueError(f"{_LIBRARY} is another library, or an older version's") from None
    if version != _INTERFACE:
        raise ValueError(f"{_LIBRARY} is another version's: interface {version}, expected {_INTERFACE}")
    _, *sizes = (ctypes.c_int32 * (1 + len(_STRUCTS))).in_dll(library, "valence_interface")
    for struct_type, size in zip(_STRUCTS, sizes, strict=True):
        if size != ctypes.sizeof(struct_type):
            name, expected = struct_type.__name__.strip("_"), ctypes.sizeof(struct_type)
            raise ValueError(f"{_LIBRARY} is another version's: {name} has {size} bytes, expected {expected}")


def _find(request: Request) -> Candidate:
    request.refuse_stale()
    if reason := why_not_native():
        raise EngineError(f"the native engine cannot run: {reason}")
    family = family_of(request.folder.config.get("model_type"))
    if family is not None and family.why_not_native is not None:
        raise EngineError(f"the native engine does not run {family.title}: {family.why_not_native}")
    export = request.export("onnx", "int8 export", "--precision int8", with_tensors=True)
    tensors = request.path(str(export.beside))

    def start(threads: int | None) -> NativeEngine:
        return NativeEngine(tensors, threads)

    is_wanted = request.exports[0].precision == "int8"
    reason = "the fastest on a processor with AVX512-VNNI, and no score depends on the batch"
    return Candidate(start, reason, 30 if is_wanted else None, export, ("int8",))


NATIVE = EngineRecord("native", _find)
