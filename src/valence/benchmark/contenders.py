"""Who takes part, and how each is used. What a peer does is in `valence.benchmark.peers`; nothing heavy is imported."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec

from valence.errors import InputError

__all__ = ["BASELINE", "BUDGETS", "CONTENDERS", "EMBEDDED", "MODES", "Answer", "Contender", "choose_contenders"]

Answer = tuple[str, float]
"""A label and its score, as every contender gives them."""

MODES = {
    "list": "all texts in one call",
    "one": "one text at a time",
    "batch32": "batches of 32, unsorted",
    "sorted": "sorted batches",
    "sorted2": "sorted batches, two side by side",
}
"""How texts are handed over. In the two last, the tokens of a batch are bounded; the best of `BUDGETS` is taken."""

BUDGETS = (512, 1024, 2048)
"""Tokens in a sorted batch, padding counted: a peer gets the one it is fastest with."""

BASELINE = "transformers"
EMBEDDED = "valence-embedded"
"""What `valence.load()` gives; it takes part with the default model alone."""
_CONVERTED = ("ctranslate2", "transformers", "torch")
_EXPORTED = ("transformers", "torch", "onnx", "onnxscript")  # what a plain torch.onnx.export of the model needs


@dataclass(frozen=True)
class Contender:
    """One engine, peer's or ours, in one precision.

    Args:
        key: its name for `--only`.
        title: its name in tables.
        packages: what must be installed.
        modes: how it is measured on short texts.
        slow: whether it is left out on long texts, and for the default model where the usual shape is run too.
        documented: the modes in which its own documentation uses it.
        ours: whether it is valence.
        compiles_shapes: whether it compiles something for every new shape, so that every shape must be met before
            the clock starts.
        alone: whether it is measured with single texts too.
    """

    key: str
    title: str
    packages: tuple[str, ...]
    modes: tuple[str, ...]
    slow: bool = False
    documented: tuple[str, ...] = ()
    ours: bool = False
    compiles_shapes: bool = False
    alone: bool = True

    @property
    def long_modes(self) -> tuple[str, ...]:
        """How it is measured on long texts: all in one call, or in all ways that do not pad them in vain."""
        if self.slow:
            return ()
        return ("list",) if "list" in self.modes else tuple(mode for mode in self.modes if mode != "batch32")


def _peer(
    key: str,
    title: str,
    packages: tuple[str, ...],
    compiles_shapes: bool = False,
    modes: tuple[str, ...] = ("one", "batch32", "sorted", "sorted2"),
) -> Contender:
    return Contender(
        key,
        title,
        packages,
        modes=modes,
        slow=len(modes) < len(MODES) - 1,
        documented=("one", "batch32"),
        compiles_shapes=compiles_shapes,
        alone="one" in modes,
    )


def _valence(
    key: str,
    title: str,
    packages: tuple[str, ...],
    slow: bool,
    compiles_shapes: bool = False,
    alone: bool = True,
) -> Contender:
    return Contender(
        f"valence-{key}",
        f"valence {title}",
        packages,
        modes=("list",) if slow else ("list", "one"),
        slow=slow,
        alone=alone,
        documented=("list", "one"),
        ours=True,
        compiles_shapes=compiles_shapes,
    )


_ALL = (
    Contender(
        BASELINE,
        "transformers pipeline fp32",
        ("transformers", "torch"),
        modes=("list", "batch32", "sorted"),
        documented=("list",),
    ),
    Contender(
        "transformers-bf16",
        "transformers bf16",
        ("transformers", "torch"),
        modes=("sorted",),
        alone=False,
    ),
    _peer("onnxruntime-int8", "ONNX Runtime dynamic int8", ("onnxruntime", *_EXPORTED)),
    # In fp32 the peers are never faster than in int8 or bf16, so there they get the ways that suit them best alone.
    _peer("openvino-fp32", "OpenVINO fp32", ("openvino", *_EXPORTED), True, ("one", "sorted")),
    _peer("openvino-bf16", "OpenVINO bf16", ("openvino", *_EXPORTED), True),
    _peer("openvino-int8", "OpenVINO static int8", ("openvino", "nncf", *_EXPORTED), True),
    _peer(
        "ctranslate2-fp32", "CTranslate2 fp32", ("ctranslate2", "transformers", "torch"), False, ("batch32", "sorted2")
    ),
    _peer("ctranslate2-int8", "CTranslate2 int8", ("ctranslate2", "transformers", "torch")),
    _valence("native", "native int8", (), False),
    _valence("onnx-int8", "onnx int8", ("onnx", "torch"), False),
    _valence("onnx-fp32", "onnx fp32", ("onnx", "torch"), True),
    _valence("openvino", "openvino int8", ("openvino", "nncf", "onnx", "torch"), False, True),
    _valence("torch-fp32", "torch fp32", ("torch",), True, alone=False),
    _valence("torch-bf16", "torch bf16", ("torch",), True, alone=False),
    _valence("embedded", "as installed", (), False),
)
CONTENDERS = {contender.key: contender for contender in _ALL}
"""By key."""


def choose_contenders(only: Sequence[str]) -> tuple[list[Contender], dict[str, str]]:
    """Choose who takes part.

    Args:
        only: keys; all if empty. The baseline, which all others are compared with, always takes part.

    Returns:
        Who can take part here, and for each of the others the reason why not, by key.

    Raises:
        InputError: if there is no such contender.
    """
    if unknown := [key for key in only if key not in CONTENDERS]:
        raise InputError(f"no contender is called {', '.join(unknown)}; there are: {', '.join(CONTENDERS)}")
    wanted = [contender for contender in _ALL if not only or contender.key in only or contender.key == BASELINE]
    missing = {
        contender.key: [package for package in contender.packages if find_spec(package) is None] for contender in wanted
    }
    able = [contender for contender in wanted if not missing[contender.key]]
    return able, {key: f"not installed: {', '.join(packages)}" for key, packages in missing.items() if packages}
