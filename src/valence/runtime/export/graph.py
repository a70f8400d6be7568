"""A classifier as an ONNX graph of our own, from standard operators.

What a traced copy would not have: one product for queries, keys and values; no work in the last layer for tokens
that the classifier never reads; int8 weights with one scale per output channel, and activations quantised with one
scale per token, so that a text's logits do not depend on the texts beside it.

Shapes: B batch, T tokens, N = B x T tokens of all texts, D width, H heads, C classes, V vocabulary.
Source: ONNX operator set 20; `MatMulIntegerToFloat` is ONNX Runtime's own.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from valence.model.config import EncoderConfig
from valence.runtime.manifest import Precision

__all__ = ["build_graph"]

_OPSET = 20
_IR_VERSION = 9
_MASKED = -1e9  # added to the attention scores of padding
_INT8_LEVELS = 127
_ZERO_POINT = 128  # of activations as uint8, the form that x86 multiplies fastest

_Weights = Mapping[str, NDArray[np.float32]]


def build_graph(weights: _Weights, config: EncoderConfig, n_classes: int, precision: Precision) -> onnx.ModelProto:
    """Write the graph.

    Args:
        weights: fp32, by the names of `valence.model.heads.TaskModel`.
        config: the encoder's shape.
        n_classes: C.
        precision: "fp32", or "int8" for the products with weights and the word embeddings.

    Returns:
        A model with inputs input_ids and attention_mask (and token_type_ids for BERT), int64 [B, T], and the output
        logits, float32 [B, C].
    """
    return _GraphWriter(weights, config, n_classes, precision).write()


class _GraphWriter:
    def __init__(self, weights: _Weights, config: EncoderConfig, n_classes: int, precision: Precision) -> None:
        self.weights = weights
        self.config = config
        self.n_classes = n_classes
        self.precision = precision
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, onnx.TensorProto] = {}
        self.counter = 0

    def op(self, kind: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """Add an operator; return the name of its output."""
        self.counter += 1
        name = f"{kind}_{self.counter}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], name=name, domain=domain, **attributes))
        return name

    def constant(self, name: str, values: Any, dtype: Any = np.float32) -> str:
        """Add a constant, once per name; return its name."""
        if name not in self.constants:
            array = np.array(values, dtype=dtype, order="C")
            self.constants[name] = numpy_helper.from_array(array, name)
        return name

    def integers(self, *values: int) -> str:
        """Add a constant list of int64, such as a shape."""
        return self.constant("ints_" + "_".join(map(str, values)), values, np.int64)

    def write(self) -> onnx.ModelProto:
        hidden, bias = self.embeddings(), self.attention_bias()  # [B, T, D], [B, 1, 1, T]
        last = self.config.n_layers - 1
        for layer in range(self.config.n_layers):
            hidden = self.layer(f"encoder.layers.{layer}", hidden, bias, first_token_only=layer == last)
        transformed = self.linear(hidden, "head.transform")  # [B, D]
        transformed = self.op("Relu" if self.config.architecture == "distilbert" else "Tanh", transformed)
        logits = self.float_linear(transformed, "head.classifier")
        self.nodes.append(helper.make_node("Identity", [logits], ["logits"], name="logits"))
        names = ["input_ids", "attention_mask"] + (["token_type_ids"] if self.config.n_token_types else [])
        graph = helper.make_graph(
            self.nodes,
            "valence",
            [helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "tokens"]) for name in names],
            [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", self.n_classes])],
            list(self.constants.values()),
        )
        opsets = [helper.make_opsetid("", _OPSET), helper.make_opsetid("com.microsoft", 1)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION, producer_name="valence")
        onnx.checker.check_model(model)
        return model

    def embeddings(self) -> str:
        """Return [B, T, D]."""
        prefix = "encoder.embeddings."
        length = self.op("Shape", "input_ids", start=1, end=2)
        positions = self.op(
            "Slice",
            self.constant("positions", self.weights[prefix + "positions.weight"]),
            self.integers(0),
            length,
            self.integers(0),
        )  # [T, D]
        embedded = self.op("Add", self.words(self.weights[prefix + "words.weight"]), positions)
        if self.config.n_token_types:
            table = self.constant("token_types", self.weights[prefix + "token_types.weight"])
            embedded = self.op("Add", embedded, self.op("Gather", table, "token_type_ids"))
        return self.norm(embedded, prefix + "norm")

    def words(self, table: NDArray[np.float32]) -> str:
        """Look up [B, T, D]; in int8 every row of the table is stored with a scale of its own."""
        if self.precision == "fp32":
            return self.op("Gather", self.constant("words", table), "input_ids")
        rows, scales = _quantise_rows(table)
        looked_up = self.op("Gather", self.constant("words", rows, np.int8), "input_ids")
        scale = self.op("Gather", self.constant("words_scale", scales[:, None]), "input_ids")  # [B, T, 1]
        return self.op("Mul", self.op("Cast", looked_up, to=TensorProto.FLOAT), scale)

    def attention_bias(self) -> str:
        """Return [B, 1, 1, T]: 0 for a token, a large negative number for padding."""
        mask = self.op("Cast", "attention_mask", to=TensorProto.FLOAT)
        missing = self.op("Sub", self.constant("one", 1.0), mask)
        bias = self.op("Mul", missing, self.constant("masked", _MASKED))
        return self.op("Unsqueeze", bias, self.integers(1, 2))

    def layer(self, prefix: str, hidden: str, bias: str, first_token_only: bool) -> str:
        """Take [B, T, D] to the same, or to [B, D] of the first token."""
        readers = self.op("Gather", hidden, self.constant("first", 0, np.int64), axis=1) if first_token_only else hidden
        mixed = self.attention(prefix + ".attention", hidden, readers, bias, first_token_only)
        attended = self.linear(mixed, prefix + ".attention.output")
        attended = self.norm(self.op("Add", attended, readers), prefix + ".attention_norm")
        transformed = self.linear(attended, prefix + ".feed_forward.up")
        transformed = self.activation(transformed)
        transformed = self.linear(transformed, prefix + ".feed_forward.down")
        return self.norm(self.op("Add", transformed, attended), prefix + ".feed_forward_norm")

    def attention(self, prefix: str, hidden: str, readers: str, bias: str, first_token_only: bool) -> str:
        """Mix the values: [B, T, D], or [B, D] for the first token only."""
        n_heads, width = self.config.n_heads, self.config.hidden_size
        if first_token_only:
            query = self.linear(readers, prefix + ".query")  # [B, D]
            query = self.op("Reshape", query, self.integers(-1, n_heads, 1, width // n_heads))  # [B, H, 1, D/H]
            key, value = self.split(self.linear(hidden, prefix + ".key", prefix + ".value"), 2)
        else:
            projected = self.linear(hidden, prefix + ".query", prefix + ".key", prefix + ".value")
            query, key, value = self.split(projected, 3)
        keys = self.op("Transpose", key, perm=[0, 2, 3, 1])  # [B, H, D/H, T]
        values = self.op("Transpose", value, perm=[0, 2, 1, 3])  # [B, H, T, D/H]
        if not first_token_only:
            query = self.op("Transpose", query, perm=[0, 2, 1, 3])  # [B, H, T, D/H]
        scale = self.constant("attention_scale", (width // n_heads) ** -0.5)
        scores = self.op("Add", self.op("MatMul", self.op("Mul", query, scale), keys), bias)
        mixed = self.op("MatMul", self.op("Softmax", scores, axis=-1), values)
        if first_token_only:
            return self.op("Reshape", mixed, self.integers(-1, width))
        return self.op("Reshape", self.op("Transpose", mixed, perm=[0, 2, 1, 3]), self.integers(0, 0, width))

    def split(self, projected: str, parts: int) -> list[str]:
        """Take [B, T, parts x D] apart into tensors [B, T, H, D/H]."""
        head_width = self.config.hidden_size // self.config.n_heads
        names = []
        for _ in range(parts):
            self.counter += 1
            names.append(f"Split_{self.counter}")
        self.nodes.append(helper.make_node("Split", [projected], names, name=names[0], axis=-1, num_outputs=parts))
        return [self.op("Reshape", name, self.integers(0, 0, self.config.n_heads, head_width)) for name in names]

    def activation(self, values: str) -> str:
        if self.config.activation == "relu":
            return self.op("Relu", values)
        return self.op("Gelu", values, approximate="none" if self.config.activation == "gelu" else "tanh")

    def norm(self, values: str, prefix: str) -> str:
        return self.op(
            "LayerNormalization",
            values,
            self.constant(prefix + ".weight", self.weights[prefix + ".weight"]),
            self.constant(prefix + ".bias", self.weights[prefix + ".bias"]),
            axis=-1,
            epsilon=self.config.layer_norm_eps,
        )

    def linear(self, values: str, *prefixes: str) -> str:
        """Multiply with one weight, or with several side by side, in the graph's precision."""
        return self.float_linear(values, *prefixes) if self.precision == "fp32" else self.int8_linear(values, *prefixes)

    def float_linear(self, values: str, *prefixes: str) -> str:
        weight = np.concatenate([self.weights[prefix + ".weight"] for prefix in prefixes])  # [out, in]
        product = self.op("MatMul", values, self.constant(prefixes[0] + ".weight", weight.T))
        return self.op("Add", product, self.bias(prefixes))

    def int8_linear(self, values: str, *prefixes: str) -> str:
        """Multiply in int8: one scale per token, one per output channel, sums in int32."""
        weight = np.concatenate([self.weights[prefix + ".weight"] for prefix in prefixes])  # [out, in]
        rows, scales = _quantise_rows(weight)
        quantised, token_scale = self.quantise_tokens(values)
        product = self.op(
            "MatMulIntegerToFloat",
            quantised,
            self.constant(prefixes[0] + ".weight", rows.T, np.int8),
            self.constant("unit_scale", 1.0),
            self.constant(prefixes[0] + ".scale", scales),
            self.constant("zero_point", _ZERO_POINT, np.uint8),
            domain="com.microsoft",
        )
        return self.op("Add", self.op("Mul", product, token_scale), self.bias(prefixes))

    def quantise_tokens(self, values: str) -> tuple[str, str]:
        """Give every token a scale of its own: [..., D] to uint8 [..., D] and float32 [..., 1]."""
        largest = self.op("ReduceMax", self.op("Abs", values), self.integers(-1), keepdims=1)
        largest = self.op("Max", largest, self.constant("least", 1e-10))
        scale = self.op("Mul", largest, self.constant("inverse_levels", 1.0 / _INT8_LEVELS))
        scaled = self.op("Mul", values, self.op("Reciprocal", scale))
        quantised = self.op(
            "QuantizeLinear",
            scaled,
            self.constant("unit_scale", 1.0),
            self.constant("zero_point", _ZERO_POINT, np.uint8),
        )
        return quantised, scale

    def bias(self, prefixes: tuple[str, ...]) -> str:
        return self.constant(
            prefixes[0] + ".bias", np.concatenate([self.weights[prefix + ".bias"] for prefix in prefixes])
        )


def _quantise_rows(matrix: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Quantise every row symmetrically: [R, K] to int8 [R, K] and the scale [R] that gives it back."""
    scales = np.maximum(np.abs(matrix).max(axis=1), 1e-10).astype(np.float32) / np.float32(_INT8_LEVELS)
    rows = np.rint(matrix / scales[:, None]).astype(np.int8)
    return rows, scales
