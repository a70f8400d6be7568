"""A classifier as an ONNX graph of our own, from standard operators, and the tensors it reads.

What a traced copy would not have: one product for queries, keys and values; no work in the last layer for tokens
that the classifier never reads; int8 weights with one scale per output channel, and activations quantised with one
scale per token, so that a text's logits do not depend on the texts beside it. Where one scale is too coarse, a product
is taken in two steps: the second multiplies what the rounding of the first left over.

The tensors have names and shapes that the native engine reads too; see `valence.runtime.int8_tensors`.

Shapes: B batch, T tokens, N = B x T tokens of all texts, D width, E width of the embeddings, H heads, C classes,
V vocabulary.
Source: ONNX operator set 20; `MatMulIntegerToFloat` is ONNX Runtime's own.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import ArrayLike, DTypeLike, NDArray
from onnx import TensorProto, helper, numpy_helper

from valence.model.config import EncoderConfig
from valence.model.encoder import distance_buckets
from valence.runtime.manifest import Precision

__all__ = ["PRODUCER", "Graph", "build_graph", "products"]

PRODUCER = "valence"
"""What a graph of ours says that it comes from."""
_OPSET = 20
_IR_VERSION = 9
_MASKED = -1e9  # added to the attention scores of padding
_INT8_LEVELS = 127
_UNSIGNED_LEVELS = 255
_ZERO_POINT = 128  # of activations as uint8, the form that x86 multiplies fastest
# GELU is never below -0.16997: with this added its values are unsigned, and have twice the levels. The native engine
# adds the same.
_GELU_SHIFT = 0.17006
_PROJECTION = "encoder.embeddings.projection"

_Weights = Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True)
class Graph:
    """A graph and what it reads.

    Args:
        model: the operators and small constants.
        tensors: by the names of the model's initializers that have a type and a shape but no values yet.
    """

    model: onnx.ModelProto
    tensors: dict[str, NDArray[np.generic]]

    def whole(self) -> onnx.ModelProto:
        """Put the tensors' values into the model.

        Returns:
            A model that needs nothing beside it.
        """
        model = onnx.ModelProto()
        model.CopyFrom(self.model)
        for initializer in model.graph.initializer:
            if initializer.name in self.tensors:
                initializer.CopyFrom(numpy_helper.from_array(self.tensors[initializer.name], initializer.name))
        return model


def products(config: EncoderConfig) -> list[str]:
    """Name the products with weights that int8 makes coarser.

    Args:
        config: the encoder's shape.

    Returns:
        Names such as "encoder.layers.0.feed_forward.up", from the first to the last.
    """
    parts = ("attention.query_key_value", "attention.output", "feed_forward.up", "feed_forward.down")
    first = [_PROJECTION] if config.embedding_width != config.hidden_size else []
    layers = [f"encoder.layers.{layer}.{part}" for layer in range(config.n_layers) for part in parts]
    return [*first, *layers, "head.transform"]


def build_graph(
    weights: _Weights,
    config: EncoderConfig,
    n_classes: int,
    precision: Precision,
    two_steps: Collection[str] = (),
) -> Graph:
    """Write the graph.

    Args:
        weights: fp32, by the names of `valence.model.heads.TaskModel`.
        config: the encoder's shape.
        n_classes: C.
        precision: "fp32", or "int8" for the products with weights and the word embeddings.
        two_steps: in int8, the products whose activations are taken in two steps; see `products`.

    Returns:
        A model with inputs input_ids and attention_mask (and token_type_ids, if the family tells the texts of a pair
        apart by them), int64 [B, T], and the output logits, float32 [B, C].
    """
    return _GraphWriter(weights, config, n_classes, precision, two_steps).write()


class _GraphWriter:
    def __init__(
        self,
        weights: _Weights,
        config: EncoderConfig,
        n_classes: int,
        precision: Precision,
        two_steps: Collection[str],
    ) -> None:
        self.weights = weights
        self.config = config
        self.n_classes = n_classes
        self.precision = precision
        self.two_steps = two_steps
        self.has_types = config.n_token_types > 1
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, onnx.TensorProto] = {}
        self.tensors: dict[str, NDArray[np.generic]] = {}
        self.counter = 0

    def op(self, kind: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """Add an operator; return the name of its output."""
        self.counter += 1
        name = f"{kind}_{self.counter}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], name=name, domain=domain, **attributes))
        return name

    def constant(self, name: str, values: ArrayLike, dtype: DTypeLike = np.float32) -> str:
        """Add a small constant, once per name; return its name."""
        if name not in self.constants:
            self.constants[name] = numpy_helper.from_array(np.array(values, dtype=dtype, order="C"), name)
        return name

    def tensor(self, name: str, values: NDArray[np.generic]) -> str:
        """Add a tensor of the model, whose values lie outside of the graph; return its name."""
        if name not in self.tensors:
            array = self.tensors[name] = np.ascontiguousarray(values)
            kind = helper.np_dtype_to_tensor_dtype(array.dtype)
            self.constants[name] = onnx.TensorProto(name=name, data_type=kind, dims=array.shape)
        return name

    def integers(self, *values: int) -> str:
        """Add a constant list of int64, such as a shape."""
        return self.constant("ints_" + "_".join(map(str, values)), values, np.int64)

    def write(self) -> Graph:
        hidden, bias = self.embeddings(), self.attention_bias()  # [B, T, D], [B, 1 or H, 1 or T, T]
        last = self.config.n_layers - 1
        for layer in range(self.config.n_layers):
            hidden = self.layer(f"encoder.layers.{layer}", hidden, bias, first_token_only=layer == last)
        transformed = self.linear(hidden, "head", "transform")  # [B, D]
        head = self.config.family.heads["classification"]
        transformed = self.activation(transformed, head.activation or self.config.activation)
        logits = self.float_linear(transformed, "head.classifier", ("head.classifier",))
        self.nodes.append(helper.make_node("Identity", [logits], ["logits"], name="logits"))
        names = ["input_ids", "attention_mask"] + (["token_type_ids"] if self.has_types else [])
        graph = helper.make_graph(
            self.nodes,
            "valence",
            [helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "tokens"]) for name in names],
            [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", self.n_classes])],
            list(self.constants.values()),
        )
        opsets = [helper.make_opsetid("", _OPSET), helper.make_opsetid("com.microsoft", 1)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION, producer_name=PRODUCER)
        return Graph(model, self.tensors)

    def embeddings(self) -> str:
        """Return [B, T, D]."""
        prefix = "encoder.embeddings."
        length = self.op("Shape", "input_ids", start=1, end=2)
        table = self.weights[prefix + "positions.weight"][self.config.first_position :]
        if self.config.n_token_types and not self.has_types:  # every token has the first
            table = table + self.weights[prefix + "token_types.weight"][0]
        positions = self.op("Slice", self.tensor("positions", table), self.integers(0), length, self.integers(0))
        embedded = self.op("Add", self.words(self.weights[prefix + "words.weight"]), positions)  # [B, T, E]
        if self.has_types:
            types = self.tensor("token_types", self.weights[prefix + "token_types.weight"])
            embedded = self.op("Add", embedded, self.op("Gather", types, "token_type_ids"))
        normalised = self.norm(embedded, prefix + "norm")
        if self.config.embedding_width == self.config.hidden_size:
            return normalised
        return self.linear(normalised, *_PROJECTION.rsplit(".", 1))

    def words(self, table: NDArray[np.float32]) -> str:
        """Look up [B, T, D]; in int8 every row of the table is stored with a scale of its own."""
        if self.precision == "fp32":
            return self.op("Gather", self.tensor("words", table), "input_ids")
        rows, scales = _quantise_rows(table)
        looked_up = self.op("Gather", self.tensor("words", rows), "input_ids")
        scale = self.op("Gather", self.tensor("words.scale", scales[:, None]), "input_ids")  # [B, T, 1]
        return self.op("Mul", self.op("Cast", looked_up, to=TensorProto.FLOAT), scale)

    def attention_bias(self) -> str:
        """Return [B, 1, 1, T]: 0 for a token, a large negative number for padding; with distances [B, H, T, T]."""
        mask = self.op("Cast", "attention_mask", to=TensorProto.FLOAT)
        missing = self.op("Sub", self.constant("one", 1.0), mask)
        bias = self.op("Unsqueeze", self.op("Mul", missing, self.constant("masked", _MASKED)), self.integers(1, 2))
        if not self.config.family.buckets:
            return bias
        return self.op("Add", bias, self.distances())

    def distances(self) -> str:
        """Return [1, H, T, T]: what attention adds by how far the token that is read stands ahead of its reader."""
        longest = self.config.longest_text
        buckets = distance_buckets(torch.arange(1 - longest, longest), self.config.family.buckets)
        by_distance = self.tensor("distances", self.weights["encoder.distances.weight"][buckets].T)  # [H, 2 L - 1]
        length = self.op("Squeeze", self.op("Shape", "input_ids", start=1, end=2))
        zero, one = self.constant("first", 0, np.int64), self.constant("step", 1, np.int64)
        places = self.op("Range", zero, length, one)  # [T]
        read, reader = (self.op("Unsqueeze", places, self.integers(axis)) for axis in (0, 1))
        index = self.op("Add", self.op("Sub", read, reader), self.constant("middle", longest - 1, np.int64))  # [T, T]
        return self.op("Unsqueeze", self.op("Gather", by_distance, index, axis=1), self.integers(0))

    def layer(self, prefix: str, hidden: str, bias: str, first_token_only: bool) -> str:
        """Take [B, T, D] to the same, or to [B, D] of the first token."""
        readers = self.op("Gather", hidden, self.constant("first", 0, np.int64), axis=1) if first_token_only else hidden
        mixed = self.attention(prefix + ".attention", hidden, readers, bias, first_token_only)
        attended = self.linear(mixed, prefix + ".attention", "output")
        attended = self.norm(self.op("Add", attended, readers), prefix + ".attention_norm")
        transformed = self.linear(attended, prefix + ".feed_forward", "up")
        transformed = self.activation(transformed, self.config.activation)
        transformed = self.linear(transformed, prefix + ".feed_forward", "down", activated=True)
        return self.norm(self.op("Add", transformed, attended), prefix + ".feed_forward_norm")

    def attention(self, prefix: str, hidden: str, readers: str, bias: str, first_token_only: bool) -> str:
        """Mix the values: [B, T, D], or [B, D] for the first token only."""
        n_heads, width = self.config.n_heads, self.config.hidden_size
        if first_token_only:
            if self.config.family.buckets:  # [B, H, 1, T]
                bias = self.op("Slice", bias, self.integers(0), self.integers(1), self.integers(2))
            query = self.linear(readers, prefix, "query")  # [B, D]
            query = self.op("Reshape", query, self.integers(-1, n_heads, 1, width // n_heads))  # [B, H, 1, D/H]
            key, value = self.split(self.linear(hidden, prefix, "key", "value"), 2)
        else:
            projected = self.linear(hidden, prefix, "query", "key", "value")
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

    def activation(self, values: str, name: str) -> str:
        if name in ("relu", "tanh"):
            return self.op(name.capitalize(), values)
        return self.op("Gelu", values, approximate="none" if name == "gelu" else "tanh")

    def norm(self, values: str, prefix: str) -> str:
        return self.op(
            "LayerNormalization",
            values,
            self.tensor(prefix + ".weight", self.weights[prefix + ".weight"]),
            self.tensor(prefix + ".bias", self.weights[prefix + ".bias"]),
            axis=-1,
            epsilon=self.config.layer_norm_eps,
        )

    def linear(self, values: str, prefix: str, *parts: str, activated: bool = False) -> str:
        """Multiply with one weight, or with several side by side, in the graph's precision.

        `activated`: the values come from the activation function, so they have a known least value.
        """
        name = f"{prefix}.{'_'.join(parts)}"
        sources = tuple(f"{prefix}.{part}" for part in parts)
        if self.precision == "fp32":
            return self.float_linear(values, name, sources)
        return self.int8_linear(values, name, sources, activated)

    def float_linear(self, values: str, name: str, sources: tuple[str, ...]) -> str:
        product = self.op("MatMul", values, self.tensor(name + ".weight", self.stacked(sources, ".weight").T))
        return self.op("Add", product, self.tensor(name + ".bias", self.stacked(sources, ".bias")))

    def int8_linear(self, values: str, name: str, sources: tuple[str, ...], activated: bool) -> str:
        """Multiply in int8: one scale per token, one per output channel, sums in int32."""
        rows, scales = _quantise_rows(self.stacked(sources, ".weight"))  # [out, in]
        bias = self.tensor(name + ".bias", self.stacked(sources, ".bias"))
        operands = (self.tensor(name + ".weight", rows.T), self.tensor(name + ".scale", scales))
        in_two_steps = _product_of(name) in self.two_steps
        if activated and not in_two_steps:
            shift = 0.0 if self.config.activation == "relu" else _GELU_SHIFT
            quantised, token_scale = self.quantise_activated(values, shift)
            added = self.constant(name + ".shift", shift * scales * rows.sum(axis=1, dtype=np.float32))
            product = self.product(quantised, *operands, zero_point=0)
            return self.op("Add", self.op("Mul", product, token_scale), self.op("Sub", bias, added))
        quantised, token_scale = self.quantise_tokens(values)
        product = self.op("Mul", self.product(quantised, *operands), token_scale)
        if in_two_steps:
            rounded = self.op("DequantizeLinear", quantised, self.unit_scale(), self.zero_point(_ZERO_POINT))
            left_over = self.op("Sub", values, self.op("Mul", rounded, token_scale))
            quantised, token_scale = self.quantise_tokens(left_over)
            product = self.op("Add", product, self.op("Mul", self.product(quantised, *operands), token_scale))
        return self.op("Add", product, bias)

    def product(self, quantised: str, weight: str, scale: str, zero_point: int = _ZERO_POINT) -> str:
        """Multiply uint8 [..., K] with int8 [K, out]; a unit scale of the activations lets it leave as float."""
        zero = self.zero_point(zero_point)
        return self.op(
            "MatMulIntegerToFloat", quantised, weight, self.unit_scale(), scale, zero, domain="com.microsoft"
        )

    def quantise_tokens(self, values: str) -> tuple[str, str]:
        """Give every token a scale of its own: [..., D] to uint8 [..., D] and float32 [..., 1]."""
        largest = self.op("ReduceMax", self.op("Abs", values), self.integers(-1), keepdims=1)
        return self.scaled(values, largest, _INT8_LEVELS, _ZERO_POINT)

    def quantise_activated(self, values: str, shift: float) -> tuple[str, str]:
        """Do the same with values not below -shift: shifted, so that they are unsigned and have twice the levels."""
        shifted = self.op("Add", values, self.constant("activation_shift", shift)) if shift else values
        largest = self.op("ReduceMax", shifted, self.integers(-1), keepdims=1)
        return self.scaled(shifted, largest, _UNSIGNED_LEVELS, 0)

    def scaled(self, values: str, largest: str, levels: int, zero_point: int) -> tuple[str, str]:
        largest = self.op("Max", largest, self.constant("least", 1e-10))
        scale = self.op("Mul", largest, self.constant(f"inverse_{levels}", 1.0 / levels))
        scaled = self.op("Mul", values, self.op("Reciprocal", scale))
        return self.op("QuantizeLinear", scaled, self.unit_scale(), self.zero_point(zero_point)), scale

    def unit_scale(self) -> str:
        return self.constant("unit_scale", 1.0)

    def zero_point(self, value: int) -> str:
        return self.constant(f"zero_point_{value}", value, np.uint8)

    def stacked(self, sources: tuple[str, ...], kind: str) -> NDArray[np.float32]:
        return np.concatenate([self.weights[source + kind] for source in sources])


def _product_of(name: str) -> str:
    """Name the product that a weight belongs to: in the last layer the query has a weight of its own."""
    prefix, _, part = name.rpartition(".")
    return f"{prefix}.query_key_value" if part in ("query", "key_value") else name


def _quantise_rows(matrix: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Quantise every row symmetrically: [R, K] to int8 [R, K] and the scale [R] that gives it back."""
    scales = np.maximum(np.abs(matrix).max(axis=1), 1e-10).astype(np.float32) / np.float32(_INT8_LEVELS)
    rows = np.rint(matrix / scales[:, None]).astype(np.int8)
    return rows, scales
