"""valence: small, fast, audited English text classifiers.

`valence.load()` gives a classifier; called with a text it gives a `Prediction`, with texts a list of them.
"""

import os as _os
from typing import TYPE_CHECKING

from valence.errors import (
    CheckpointError,
    ConfigError,
    DataError,
    EngineError,
    ExportError,
    HubError,
    InputError,
    MissingExtraError,
    MissingHeadError,
    ModelError,
    ModelNotFoundError,
    TrainingError,
    ValenceError,
)

if TYPE_CHECKING:
    from valence.runtime.classifier import Classifier, Prediction
    from valence.runtime.load import load
    from valence.runtime.load_raw import load_masked_lm, load_next_sentence
    from valence.runtime.mask_filler import MaskFill, MaskFiller
    from valence.runtime.next_sentence import NextSentence, NextSentencePredictor

# MKL, inside PyTorch, keeps lists of buffers by thread; a forked process was seen to search one for ever. Without
# them it allocates as everybody does. Read when PyTorch is imported; somebody else's choice stays.
_os.environ.setdefault("MKL_DISABLE_FAST_MM", "1")

__version__ = "0.1.0"

__all__ = [
    "CheckpointError",
    "Classifier",
    "ConfigError",
    "DataError",
    "EngineError",
    "ExportError",
    "HubError",
    "InputError",
    "MaskFill",
    "MaskFiller",
    "MissingExtraError",
    "MissingHeadError",
    "ModelError",
    "ModelNotFoundError",
    "NextSentence",
    "NextSentencePredictor",
    "Prediction",
    "TrainingError",
    "ValenceError",
    "load",
    "load_masked_lm",
    "load_next_sentence",
]

# Loaded on first use, so that `import valence` costs nothing.
_LAZY = {
    "Classifier": "valence.runtime.classifier",
    "Prediction": "valence.runtime.classifier",
    "MaskFill": "valence.runtime.mask_filler",
    "MaskFiller": "valence.runtime.mask_filler",
    "NextSentence": "valence.runtime.next_sentence",
    "NextSentencePredictor": "valence.runtime.next_sentence",
    "load": "valence.runtime.load",
    "load_masked_lm": "valence.runtime.load_raw",
    "load_next_sentence": "valence.runtime.load_raw",
}


def __getattr__(name: str) -> object:
    if name not in _LAZY:
        raise AttributeError(f"module 'valence' has no attribute {name!r}")
    import importlib

    value = getattr(importlib.import_module(_LAZY[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
