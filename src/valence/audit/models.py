"""From a model folder to what probes ask, and to what tells it from other models in a report."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from msgspec import structs
from numpy.typing import NDArray

from valence.audit.probe import Need, Subject
from valence.data.positive import positive_sentiment
from valence.errors import EngineError, InputError, MissingExtraError, MissingHeadError, ModelError
from valence.evaluation.evaluate import require_single_label
from valence.folder import ModelFolder
from valence.reports.audit import AuditedModel
from valence.reports.model_ref import ModelRef, model_name
from valence.runtime.choice import EngineName, asked_for
from valence.runtime.classifier import Classifier
from valence.runtime.engine import Precision
from valence.runtime.load import load_folder
from valence.runtime.load_raw import load_masked_lm, load_next_sentence
from valence.runtime.manifest import source_hash
from valence.text.tokenizer import Tokenizer

__all__ = ["LoadedModel", "open_like", "open_model"]

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_SHOWN_LABELS = 5


@dataclass(frozen=True)
class LoadedModel:
    """A model that is ready to be asked.

    Args:
        subject: what probes ask.
        description: what tells it from others, for the report.
    """

    subject: Subject
    description: AuditedModel

    @property
    def name(self) -> str:
        """What a report calls it."""
        return self.description.name

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
    precision: Precision | None = None,
    labels: Sequence[str] | None = None,
    threads: int | None = None,
) -> LoadedModel:
    """Load what is audited: a classifier of two classes, a raw model, or both.

    Args:
        folder: a classifier or a raw model, whichever its weights are.
        masked_lm: a raw model to be asked beside a classifier.
        engine: what runs the classifier; a raw model is run by PyTorch.
        precision: see `load_folder`.
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
            return LoadedModel(*_open_raw(folder, threads))
        except MissingHeadError:
            raise MissingHeadError(
                f"{folder.name}: it has neither a classifier nor a masked-LM head, so there is nothing to ask: make a "
                "classifier of it with valence train, or a raw model with valence pretrain"
            ) from None
    number = _positive_number(classifier, folder)

    def positive(texts: Sequence[str]) -> NDArray[np.float64]:
        return classifier.probabilities(classifier.logits(texts))[:, number]

    files = classifier.engine.files
    ref = ModelRef.of(folder, classifier.engine.name, files, source_hash(folder, files))
    description = structs.replace(
        _describe(folder),
        engine=ref.engine,
        engine_sha256=ref.engine_sha256,
        weights_sha256=ref.weights_sha256,
        labels=tuple(classifier.labels),
        positive_label=classifier.labels[number],
    )
    if masked_lm is None:
        return LoadedModel(Subject(positive), description)
    raw, raw_description = _open_raw(masked_lm, threads)
    subject = Subject(positive, raw.masked_lm, raw.next_sentence, raw.uncased)
    return LoadedModel(subject, structs.replace(description, masked_lm=raw_description))


def open_like(folder: ModelFolder, engine: str | None) -> LoadedModel:
    """Load a model with the engine that a report names, or with another where that one does not run here.

    Args:
        folder: the model.
        engine: as a report names it ("native int8") or as an option does ("native"); the fastest if None.

    Returns:
        The model.

    Raises:
        InputError: as `open_model`.
        ModelError: as `open_model`.
    """
    if engine is not None:
        name, precision = asked_for(engine)
        with suppress(EngineError, MissingExtraError, InputError):
            return open_model(folder, engine=name, precision=precision)
    return open_model(folder)


def _positive_number(classifier: Classifier, folder: ModelFolder) -> int:
    labels = classifier.labels
    if len(labels) != 2:
        named = ", ".join(labels[:_SHOWN_LABELS]) + (", …" if len(labels) > _SHOWN_LABELS else "")
        raise InputError(
            f"{folder.name} has {len(labels)} {'class' if len(labels) == 1 else 'classes'} ({named}): the audit asks "
            "for the probability of the positive one of two, such as NEGATIVE and POSITIVE"
        )
    require_single_label(classifier)
    if (number := positive_sentiment(labels)) is None:
        how_many = "neither" if all(positive_sentiment([label, ""]) is None for label in labels) else "both"
        raise InputError(
            f"{folder.name} calls its classes {labels[0]} and {labels[1]}, {how_many} of them POSITIVE, and an audit "
            "with the wrong one would say the opposite: name both in their order with --labels, such as "
            "NEGATIVE,POSITIVE"
        )
    return number


def _open_raw(folder: ModelFolder, threads: int | None) -> tuple[Subject, AuditedModel]:
    """Load a raw model's masked-LM head, and its next-sentence head where it has one."""
    place = folder.name if folder.embedded else folder.path
    masked_lm = load_masked_lm(place, threads=threads)
    try:
        next_sentence = load_next_sentence(place, threads=threads)
    except MissingHeadError:
        next_sentence = None
    uncased = _is_uncased(masked_lm.tokenizer)
    description = structs.replace(
        _describe(folder),
        engine="torch fp32",
        weights_sha256=folder.weights_hash(),
        heads=("masked-lm", *(["next-sentence"] if next_sentence is not None else [])),
        uncased=uncased,
    )
    return Subject(None, masked_lm, next_sentence, uncased), description


def _is_uncased(tokenizer: Tokenizer) -> bool:
    """Find out whether capitals are the same to a tokenizer as small letters."""
    upper, lower = tokenizer.contents([" ".join(_LETTERS), " ".join(_LETTERS.lower())])
    return bool(np.array_equal(upper, lower))


def _describe(folder: ModelFolder) -> AuditedModel:
    try:
        parameters = folder.n_parameters
    except ModelError:  # a report of its training that cannot be read shall not keep it from being audited
        parameters = None
    architecture = folder.config.get("model_type")
    return AuditedModel(
        name=model_name(folder),
        architecture=architecture if isinstance(architecture, str) else None,
        parameters=parameters,
    )
