"""The peers, each used as its documentation says: the only file that imports them.

Each is prepared once from a fp32 checkpoint (export, conversion, quantisation), into files beside it, and then opened.
Those that take token ids get the very tokenizer and batches that valence has, so that what differs is the engine.

Sources: the documentation of `transformers` (pipelines), ONNX Runtime (quantisation), OpenVINO and NNCF (basic
quantisation flow, asynchronous inference), CTranslate2 (encoders; conversion from transformers).
"""

import functools
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from valence.benchmark.contenders import Answer
from valence.errors import EngineError
from valence.folder import ModelFolder
from valence.runtime.openvino_engine import import_openvino, without_telemetry
from valence.text.batching import TokenBatch, collate, plan_batches
from valence.text.tokenizer import TokenizedText, Tokenizer

__all__ = ["Opened", "open_peer", "prepare_peer"]

_INPUTS = ("input_ids", "attention_mask")
_CALIBRATION_TEXTS = 300  # as many as NNCF's documentation suggests


class Opened(Protocol):
    """A contender that is ready to label texts."""

    def answers(self, texts: Sequence[str], mode: str, budget: int) -> list[Answer]:
        """Label texts.

        Args:
            texts: strings.
            mode: one of `valence.benchmark.contenders.MODES`.
            budget: tokens in a sorted batch.

        Returns:
            A label and its score for each text.
        """
        ...


class Network(Protocol):
    """A peer's network: batches of token ids in, logits out."""

    def run(self, batches: Iterable[TokenBatch], side_by_side: bool) -> list[NDArray[np.float32]]:
        """Run batches.

        Args:
            batches: each B texts.
            side_by_side: two at a time, each on one thread, instead of one on all threads.

        Returns:
            For each batch the logits [B, C].
        """
        ...


class _TokenPeer:
    """A peer that takes token ids, made into one that takes strings.

    Args:
        folder: the checkpoint.
        network: the peer.
    """

    def __init__(self, folder: ModelFolder, network: Network) -> None:
        self._tokenizer = Tokenizer.from_folder(folder)
        self._labels = folder.labels or ()
        self._network = network

    def answers(self, texts: Sequence[str], mode: str, budget: int) -> list[Answer]:
        if mode == "one":
            return [answer for text in texts for answer in self._answers([text], [np.array([0])], False)]
        plan = None if mode.startswith("sorted") else np.array_split(np.arange(len(texts)), range(32, len(texts), 32))
        return self._answers(texts, plan, mode == "sorted2", budget)

    def _answers(
        self, texts: Sequence[str], plan: Sequence[NDArray[np.intp]] | None, side_by_side: bool, budget: int = 0
    ) -> list[Answer]:
        tokenized = self._tokenizer(texts)
        if plan is None:
            plan = plan_batches([len(text.ids) for text in tokenized], budget)
        found = self._network.run(self._batches(tokenized, plan), side_by_side)
        logits = np.empty((len(texts), found[0].shape[1]), dtype=np.float32)
        for indices, part in zip(plan, found, strict=True):
            logits[indices] = part
        exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
        scores = exponentials / exponentials.sum(axis=1, keepdims=True)
        best = scores.argmax(axis=1)
        return [(self._labels[label], float(row[label])) for label, row in zip(best, scores, strict=True)]

    def _batches(self, texts: Sequence[TokenizedText], plan: Iterable[NDArray[np.intp]]) -> Iterator[TokenBatch]:
        for indices in plan:
            yield collate([texts[index] for index in indices], self._tokenizer.pad_token_id)


class _Pipeline:
    """The pipeline of transformers; sorted batches go to its model directly, which is faster."""

    def __init__(self, folder: ModelFolder, dtype: str) -> None:
        import transformers

        self._pipeline = transformers.pipeline("text-classification", model=str(folder.path), dtype=dtype, device=-1)
        self._sorted = _TokenPeer(folder, _TorchNetwork(self._pipeline.model))

    def answers(self, texts: Sequence[str], mode: str, budget: int) -> list[Answer]:
        if mode == "one":
            found = [self._pipeline(text, truncation=True)[0] for text in texts]
        elif mode in ("list", "batch32"):
            found = self._pipeline(list(texts), truncation=True, batch_size=32 if mode == "batch32" else 1)
        else:
            return self._sorted.answers(texts, mode, budget)
        return [(answer["label"], answer["score"]) for answer in found]


class _TorchNetwork:
    def __init__(self, model: Any) -> None:
        self._model = model

    def run(self, batches: Iterable[TokenBatch], side_by_side: bool) -> list[NDArray[np.float32]]:
        import torch

        assert not side_by_side, "PyTorch has one pool of threads"
        with torch.inference_mode():
            return [
                self._model(torch.from_numpy(batch.input_ids), torch.from_numpy(batch.attention_mask))
                .logits.float()
                .numpy()
                for batch in batches
            ]


def _two_at_a_time(
    run: Callable[[TokenBatch], NDArray[np.float32]], batches: Iterable[TokenBatch]
) -> list[NDArray[np.float32]]:
    with ThreadPoolExecutor(2) as threads:
        return list(threads.map(run, batches))


class _OnnxRuntime:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._session = self._open()

    def _open(self, threads: int | None = None) -> Any:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        if threads is not None:
            options.intra_op_num_threads = threads
        return onnxruntime.InferenceSession(self._path, options, providers=["CPUExecutionProvider"])

    @functools.cached_property
    def _single_thread(self) -> Any:
        return self._open(threads=1)  # runs in the thread that calls it, so that two callers have two streams

    def run(self, batches: Iterable[TokenBatch], side_by_side: bool) -> list[NDArray[np.float32]]:
        session = self._single_thread if side_by_side else self._session

        def run(batch: TokenBatch) -> NDArray[np.float32]:
            logits: NDArray[np.float32] = session.run(["logits"], _feed(batch))[0]
            return logits

        return _two_at_a_time(run, batches) if side_by_side else [run(batch) for batch in batches]


def _feed(batch: TokenBatch) -> dict[str, NDArray[np.int64]]:
    return {"input_ids": batch.input_ids, "attention_mask": batch.attention_mask}


class _OpenVino:
    def __init__(self, path: Path, precision: str | None) -> None:
        self._openvino = import_openvino()
        self._core = self._openvino.Core()
        self._model = self._core.read_model(path)
        self._options = {} if precision is None else {"INFERENCE_PRECISION_HINT": precision}
        self._alone = self._core.compile_model(self._model, "CPU", self._options | {"PERFORMANCE_HINT": "LATENCY"})
        self._request = self._alone.create_infer_request()

    @functools.cached_property
    def _queue(self) -> Any:
        options = self._options | {"PERFORMANCE_HINT": "THROUGHPUT", "NUM_STREAMS": 2}
        return self._openvino.AsyncInferQueue(self._core.compile_model(self._model, "CPU", options), 2)

    def run(self, batches: Iterable[TokenBatch], side_by_side: bool) -> list[NDArray[np.float32]]:
        if not side_by_side:
            return [self._request.infer(_feed(batch))[0].copy() for batch in batches]
        found: dict[int, NDArray[np.float32]] = {}
        self._queue.set_callback(
            lambda request, index: found.__setitem__(index, request.get_output_tensor(0).data.copy())
        )
        for index, batch in enumerate(batches):
            self._queue.start_async(_feed(batch), index)
        self._queue.wait_all()
        return [found[index] for index in range(len(found))]


class _CTranslate2:
    """The encoder in CTranslate2, the classification head in numpy, as its documentation does it."""

    def __init__(self, path: Path, compute_type: str) -> None:
        self._path, self._compute_type = path, compute_type
        self._head = dict(np.load(path / "head.npz"))
        self._alone = self._open()

    def _open(self, **options: int) -> Any:
        import ctranslate2

        return ctranslate2.Encoder(str(self._path), compute_type=self._compute_type, **options)

    @functools.cached_property
    def _two(self) -> Any:
        return self._open(inter_threads=2, intra_threads=1)

    def run(self, batches: Iterable[TokenBatch], side_by_side: bool) -> list[NDArray[np.float32]]:
        import ctranslate2

        encoder = self._two if side_by_side else self._alone

        def run(batch: TokenBatch) -> NDArray[np.float32]:
            output = encoder.forward_batch(
                ctranslate2.StorageView.from_array(batch.input_ids.astype(np.int32)),
                ctranslate2.StorageView.from_array(batch.attention_mask.sum(axis=1, dtype=np.int32)),
            )
            if "pooled" in self._head:
                hidden = np.array(output.pooler_output)
            else:
                first = np.array(output.last_hidden_state)[:, 0]
                hidden = np.maximum(first @ self._head["hidden_weight"].T + self._head["hidden_bias"], 0)
            logits: NDArray[np.float32] = hidden @ self._head["weight"].T + self._head["bias"]
            return logits

        return _two_at_a_time(run, batches) if side_by_side else [run(batch) for batch in batches]


def open_peer(key: str, checkpoint: Path, prepared: Path) -> Opened:
    """Open a peer.

    Args:
        key: which contender.
        checkpoint: the model folder, in fp32.
        prepared: the folder that `prepare_peer` wrote to.

    Returns:
        The peer, ready to label texts.

    Raises:
        EngineError: if its packages cannot run the model.
    """
    folder = ModelFolder(checkpoint, str(checkpoint))
    package, _, precision = key.partition("-")
    try:
        if package == "transformers":
            return _Pipeline(folder, "bfloat16" if precision == "bf16" else "float32")
        return _TokenPeer(folder, _open_network(package, precision, prepared))
    except Exception as problem:  # each package has its own exceptions
        raise EngineError(f"{key} cannot run {checkpoint.name}: {problem}") from problem


def _open_network(package: str, precision: str, prepared: Path) -> Network:
    if package == "onnxruntime":
        return _OnnxRuntime(prepared / "plain_int8.onnx")
    if package == "ctranslate2":
        return _CTranslate2(prepared / f"ctranslate2_{precision}", "float32" if precision == "fp32" else "int8")
    if precision == "int8":
        return _OpenVino(prepared / "openvino_int8.xml", None)
    return _OpenVino(prepared / "plain.onnx", "f32" if precision == "fp32" else "bf16")


def prepare_peer(key: str, checkpoint: Path, prepared: Path, calibration: Sequence[str]) -> None:
    """Write the files that a peer needs beside the checkpoint; those that are there already are kept.

    Args:
        key: which contender.
        checkpoint: the model folder, in fp32.
        prepared: where to write.
        calibration: texts for static quantisation.

    Raises:
        EngineError: if a package cannot convert the model.
    """
    package, _, precision = key.partition("-")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the packages about themselves
            if package in ("onnxruntime", "openvino"):
                _once(prepared / "plain.onnx", lambda path: _export_plainly(checkpoint, path))
            if key == "onnxruntime-int8":
                _once(prepared / "plain_int8.onnx", lambda path: _quantize_dynamically(prepared / "plain.onnx", path))
            elif key == "openvino-int8":
                _once(
                    prepared / "openvino_int8.xml",
                    lambda path: _quantize_statically(checkpoint, prepared / "plain.onnx", path, calibration),
                )
            elif package == "ctranslate2":
                _once(
                    prepared / f"ctranslate2_{precision}" / "head.npz",
                    lambda path: _convert(checkpoint, path.parent, None if precision == "fp32" else precision),
                )
    except Exception as problem:  # each package has its own exceptions
        raise EngineError(f"{key} cannot be prepared from {checkpoint.name}: {problem}") from problem


def _once(path: Path, write: Callable[[Path], None]) -> None:
    if not path.exists():
        write(path)


def _load_transformers(checkpoint: Path) -> Any:
    import transformers

    return transformers.AutoModelForSequenceClassification.from_pretrained(checkpoint, dtype="float32").eval()


def _export_plainly(checkpoint: Path, path: Path) -> None:
    import torch

    model = _load_transformers(checkpoint)
    ids = torch.ones(2, 8, dtype=torch.int64)
    shape = {0: torch.export.Dim("texts"), 1: torch.export.Dim("tokens", max=model.config.max_position_embeddings)}
    torch.onnx.export(
        model,
        (ids, torch.ones_like(ids)),
        path,
        input_names=list(_INPUTS),
        output_names=["logits"],
        dynamic_shapes=(shape, shape),
        external_data=False,
        verbose=False,
    )


def _quantize_dynamically(source: Path, path: Path) -> None:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(source, path, weight_type=QuantType.QInt8)


def _quantize_statically(checkpoint: Path, source: Path, path: Path, texts: Sequence[str]) -> None:
    openvino = import_openvino()
    with without_telemetry():
        import nncf
    tokenizer = Tokenizer.from_folder(ModelFolder(checkpoint, str(checkpoint)))
    samples = [_feed(collate([text], tokenizer.pad_token_id)) for text in tokenizer(list(texts[:_CALIBRATION_TEXTS]))]
    model = nncf.quantize(
        openvino.Core().read_model(source),
        nncf.Dataset(samples),
        model_type=nncf.ModelType.TRANSFORMER,
        subset_size=len(samples),
    )
    openvino.save_model(model, path, compress_to_fp16=False)


def _convert(checkpoint: Path, folder: Path, quantization: str | None) -> None:
    from ctranslate2.converters import TransformersConverter

    TransformersConverter(str(checkpoint)).convert(str(folder), quantization=quantization, force=True)
    model = _load_transformers(checkpoint)
    head = {"weight": model.classifier.weight, "bias": model.classifier.bias}
    if hasattr(model, "pre_classifier"):
        head |= {"hidden_weight": model.pre_classifier.weight, "hidden_bias": model.pre_classifier.bias}
    arrays = {name: tensor.detach().numpy() for name, tensor in head.items()}
    if not hasattr(model, "pre_classifier"):
        arrays["pooled"] = np.array(1)  # BERT's pooler is part of the encoder
    np.savez(folder / "head.npz", **arrays)
