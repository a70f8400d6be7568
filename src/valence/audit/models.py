"""From a model folder to what probes ask, and to what tells it from other models in a report."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from valence.audit.probe import Need, Subject
from valence.errors import InputError, MissingHeadError, ModelError
from valence.evaluation.evaluate import describe_classifier, require_single_label
from valence.folder import ModelFolder
from valence.runtime.choice import EngineName, TorchPrecision
from valence.runtime.classifier import Classifier
from valence.runtime.load import load_folder
from valence.runtime.load_raw import load_masked_lm, load_next_sentence
from valence.text.tokenizer import Tokenizer

__all__ = ["AuditedModel", "open_model", "positive_class"]

_POSITIVE = ("positive", "pos", "label_1", "1")  # of two labels, the one that is called so
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_SHOWN_LABELS = 5


@dataclass(frozen=True)
class AuditedModel:
    """A model that is ready to be asked.

    Args:
        subject: what probes ask.
        description: what tells it from others, for the report.
    """

    subject: Subject
    description: dict[str, Any]

    @property
    def name(self) -> str:
        """What a report calls it."""
        return str(self.description["name"])

    @property
    def offers(self) -> frozenset[Need]:
        """What can be asked of it."""
        parts: dict[Need, object] = {
            "classifier": self.subject.positive,
            "masked-lm": self.subject.masked_lm,
            "next-sentence": self.subject.next_sentence,
        }
        return frozenset(need for need, part in parts.items() if part is not None)


def open_model(
    folder: ModelFolder,
    masked_lm: ModelFolder | None = None,
    *,
    engine: EngineName = "auto",
    precision: TorchPrecision | None = None,
    labels: Sequence[str] | None = None,
    threads: int | None = None,
) -> AuditedModel:
    """Load what is audited: a classifier of two classes, a raw model, or both.

    Args:
        folder: a classifier or a raw model, whichever its weights are.
        masked_lm: a raw model to be asked beside a classifier.
        engine: what runs the classifier; a raw model is run by PyTorch.
        precision: of the torch engine.
        labels: class names instead of the classifier's own.
        threads: how many to use at most.

    Returns:
        The model.

    Raises:
        InputError: if it is a classifier of other than two classes or of none that is called positive, or a raw
            model and `masked_lm` is given, too.
        ModelError: if it cannot be loaded.
        MissingHeadError: if it is neither a classifier nor a masked LM, or `masked_lm` is none.
    """
    try:
        classifier = load_folder(folder, engine=engine, precision=precision, labels=labels, threads=threads)
    except MissingHeadError:
        if masked_lm is not None:
            raise InputError(
                f"{folder.name} is no classifier: a raw model is audited as it is, without a second one as masked LM"
            ) from None
        try:
            return AuditedModel(*_open_raw(folder, threads))
        except MissingHeadError:
            raise MissingHeadError(
                f"{folder.name}: it has neither a classifier nor a masked-LM head, so there is nothing to ask: make a "
                "classifier of it with valence train, or a raw model with valence pretrain"
            ) from None
    number = _positive_number(classifier, folder)

    def positive(texts: Sequence[str]) -> NDArray[np.float64]:
        return classifier.probabilities(classifier.logits(texts))[:, number]

    description = _describe(folder) | {
        "engine": classifier.engine.name,
        **{
            name: value
            for name, value in msgspec.structs.asdict(describe_classifier(classifier, folder)).items()
            if name.endswith("sha256")
        },
        "labels": list(classifier.labels),
        "positive_label": classifier.labels[number],
    }
    if masked_lm is None:
        return AuditedModel(Subject(positive), description)
    raw, raw_description = _open_raw(masked_lm, threads)
    subject = Subject(positive, raw.masked_lm, raw.next_sentence, raw.uncased)
    return AuditedModel(subject, description | {"masked_lm": raw_description})


def positive_class(labels: Sequence[str]) -> int | None:
    """Decide which of two classes is the positive one.

    Args:
        labels: the names of both.

    Returns:
        The number of the one that is called POSITIVE, LABEL_1 or 1; None where neither is.
    """
    names = [label.strip().lower() for label in labels]
    return next((names.index(name) for name in _POSITIVE if name in names), None)


def _positive_number(classifier: Classifier, folder: ModelFolder) -> int:
    labels = classifier.labels
    if len(labels) != 2:
        named = ", ".join(labels[:_SHOWN_LABELS]) + (", …" if len(labels) > _SHOWN_LABELS else "")
        raise InputError(
            f"{folder.name} has {len(labels)} {'class' if len(labels) == 1 else 'classes'} ({named}): the audit asks "
            "for the probability of the positive one of two, such as NEGATIVE and POSITIVE"
        )
    require_single_label(classifier)
    if (number := positive_class(labels)) is None:
        raise InputError(
            f"{folder.name} calls its classes {labels[0]} and {labels[1]}, neither of them POSITIVE, and an audit with "
            "the wrong one would say the opposite: name both in their order with --labels, such as NEGATIVE,POSITIVE"
        )
    return number


def _open_raw(folder: ModelFolder, threads: int | None) -> tuple[Subject, dict[str, Any]]:
    """Load a raw model's masked-LM head, and its next-sentence head where it has one."""
    place = folder.name if folder.embedded else folder.path
    masked_lm = load_masked_lm(place, threads=threads)
    try:
        next_sentence = load_next_sentence(place, threads=threads)
    except MissingHeadError:
        next_sentence = None
    uncased = _is_uncased(masked_lm.tokenizer)
    description = _describe(folder) | {
        "engine": "torch fp32",
        "weights_sha256": folder.weights_hash(),
        "heads": ["masked-lm", *(["next-sentence"] if next_sentence is not None else [])],
        "uncased": uncased,
    }
    return Subject(None, masked_lm, next_sentence, uncased), description


def _is_uncased(tokenizer: Tokenizer) -> bool:
    """Find out whether capitals are the same to a tokenizer as small letters."""
    upper, lower = tokenizer.contents([" ".join(_LETTERS), " ".join(_LETTERS.lower())])
    return bool(np.array_equal(upper, lower))


def _describe(folder: ModelFolder) -> dict[str, Any]:
    """Name a model as its user did, without the way to it, which is of this machine alone."""
    is_path = not folder.embedded and Path(folder.name).expanduser() == folder.path
    try:
        parameters = folder.n_parameters
    except ModelError:  # a report of its training that cannot be read shall not keep it from being audited
        parameters = None
    return {
        "name": (folder.path.resolve().name or folder.name) if is_path else folder.name,
        "architecture": folder.config.get("model_type"),
        "parameters": parameters,
    }
