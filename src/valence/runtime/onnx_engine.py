"""The ONNX engine: ONNX Runtime on the CPU."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from valence.errors import EngineError
from valence.text.batching import TokenBatch

__all__ = ["OnnxEngine"]


class OnnxEngine:
    """Runs an exported graph.

    Args:
        path: the ONNX file.
        precision: for the engine's name.
        threads: how many to use; ONNX Runtime's own choice if None.
    """

    def __init__(self, path: Path, precision: str = "fp32", threads: int | None = None) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3  # errors come as exceptions
        if threads is not None:
            options.intra_op_num_threads = threads
        try:
            self._session: Any = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        except Exception as problem:  # ONNX Runtime's own exceptions share no base class
            raise EngineError(f"{path}: ONNX Runtime cannot load it: {problem}") from None
        self._inputs = {entry.name for entry in self._session.get_inputs()}
        outputs = {entry.name: entry.shape for entry in self._session.get_outputs()}
        if not {"input_ids", "attention_mask"} <= self._inputs or "logits" not in outputs:
            raise EngineError(
                f"{path}: expected inputs input_ids and attention_mask and an output logits, "
                f"found {', '.join(sorted(self._inputs))} and {', '.join(outputs)}"
            )
        n_classes = outputs["logits"][-1]
        if not isinstance(n_classes, int):
            raise EngineError(f"{path}: the width of its logits is not fixed")
        self._n_classes = n_classes
        self.name = f"onnx {precision}"
        self.files = (path,)

    @property
    def n_classes(self) -> int:
        """C, the width of the logits."""
        return self._n_classes

    def logits(self, batch: TokenBatch) -> NDArray[np.float32]:
        """Run one batch.

        Args:
            batch: B texts.

        Returns:
            [B, C].

        Raises:
            EngineError: if ONNX Runtime fails.
        """
        feed = {"input_ids": batch.input_ids, "attention_mask": batch.attention_mask}
        if "token_type_ids" in self._inputs:
            types = batch.token_type_ids
            feed["token_type_ids"] = np.zeros_like(batch.input_ids) if types is None else types
        try:
            logits: NDArray[np.float32] = self._session.run(["logits"], feed)[0]
        except Exception as problem:  # as above
            raise EngineError(f"ONNX Runtime failed on a batch of {batch.input_ids.shape}: {problem}") from None
        return logits
