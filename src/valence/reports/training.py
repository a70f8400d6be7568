"""The reports of training: reports/training.json, pretraining.json and distillation.json."""

from collections.abc import Mapping

import msgspec

from valence.reports.data_ref import Columns
from valence.reports.environment import Machine
from valence.reports.report import Count, JsonObject, Report

__all__ = ["AgreementSample", "NamedModel", "Retained", "Side", "TrainedOn", "TrainingReport"]

Unset = msgspec.UnsetType
UNSET = msgspec.UNSET


class NamedModel(msgspec.Struct, frozen=True, kw_only=True):
    """A model that a run used.

    Args:
        name: how it is called.
        sha256: of its weights, or of its engines where it has no weights.
    """

    name: str | None = None
    sha256: str | None = None


class TrainedOn(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Texts of a run: labelled ones, softly labelled ones, or documents.

    Args:
        name: how the data set is called.
        examples: how many labelled texts.
        documents: how many documents.
        characters: of the documents.
        sha256: of the files, or of the documents.
        examples_sha256: of the labelled texts as they were read.
        columns: that were read.
        reading: what the user said about the format.
        labels: the names that the user gave to the classes.
    """

    name: str | None = None
    examples: Count | None = None
    documents: Count | None = None
    characters: Count | None = None
    sha256: str | None = None
    examples_sha256: str | None = None
    columns: Columns | None = None
    reading: dict[str, str | bool | None] | None = None
    labels: tuple[str, ...] | None = None


class AgreementSample(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Training texts that later exports are compared on.

    Args:
        source: the way to their file from the model folder.
        train_sha256: of that file.
        columns: that were read.
        reading: what the user said about the format.
        rows: their numbers.
    """

    source: str | None = None
    train_sha256: str
    columns: Columns | None = None
    reading: dict[str, str | bool | None] | None = None
    rows: tuple[Count, ...]


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """Teacher or student, measured.

    Args:
        layers: how many; None where several models teach.
        parameters: how many; None where a teacher does not say.
        figure: how good it is.
        texts_per_second: how fast; of the two measured in turn.
        engine: what ran it.
    """

    layers: int | None = None
    parameters: int | None = None
    figure: float
    texts_per_second: float
    engine: str


class Retained(msgspec.Struct, frozen=True, kw_only=True):
    """What a student retains of its teacher, as the DistilBERT paper says it.

    Args:
        figure: what was measured.
        texts: what was timed.
        teacher: the one side.
        student: the other side.
        share_kept: the student's figure as a share of the teacher's.
        smaller: how much smaller the student is, as a share.
        faster: how much faster the student is, as a share.
    """

    figure: str
    texts: str
    teacher: Side
    student: Side
    share_kept: float | None
    smaller: float | None
    faster: float

    @classmethod
    def of(cls, teacher: Side, student: Side, figure: str, texts: str) -> "Retained":
        """Compare a student with its teacher.

        Args:
            teacher: what was measured of it.
            student: what was measured of it.
            figure: what was measured.
            texts: what was timed.

        Returns:
            Both sides, and the shares.
        """
        has_sizes = teacher.parameters and student.parameters
        return cls(
            figure=figure,
            texts=texts,
            teacher=teacher,
            student=student,
            share_kept=student.figure / teacher.figure if teacher.figure else None,
            smaller=1.0 - (student.parameters or 0) / (teacher.parameters or 1) if has_sizes else None,
            faster=student.texts_per_second / teacher.texts_per_second - 1.0,
        )


class TrainingReport(Report, frozen=True, kw_only=True):
    """What a model was trained with, and how that went.

    In the file the settings stand beside the rest, and "hyper_parameters" names them. What a kind of training has not
    is absent.

    Args:
        settings: the hyper-parameters, in the order to show.
        labels: the classes.
        base: the checkpoint that the run started from.
        base_sha256: of its weights.
        base_labels: the classes of a base that did not name its own.
        teachers: the models whose answers were learnt.
        train: what was learnt from.
        unlabelled: further texts, without labels.
        soft_labels: further texts, with a probability for each class.
        evaluation: what the best epoch was chosen on, or what was held out.
        left_out: tensors of the base that were not used.
        initialised: parameters that the base did not have.
        base_head: what became of the base's classifier.
        steps: of the whole run.
        epochs_done: what each epoch gave.
        curve: the loss, step by step.
        evaluations: what was measured on the way.
        seconds: how long training took.
        examples_per_second: the speed in texts.
        tokens_per_second: the speed in tokens.
        before: what was measured before the first step.
        after: what was measured after the last step.
        kept_epoch: the number of the epoch whose weights were kept.
        chosen_on: the data it was chosen on, if it was chosen.
        chosen_by: the metric it was chosen by.
        parameters: how many the model has.
        weights_sha256: of its weights.
        agreement_sample: texts that later exports are compared on.
        teacher_figures: what was measured of the teacher.
        student_figures: what was measured of the student.
        kept: what the student has of its teachers' figure, size and speed.
        kept_as: how the checkpoint of a shipped model is kept.
        documents: how many documents were learnt from, where the report says it here.
        characters: of these documents.
        sha256: of these documents.
        versions: of the packages that ran.
        machine: where it ran.
    """

    settings: JsonObject
    labels: tuple[str, ...] | Unset | None = UNSET
    base: str | Unset | None = UNSET
    base_sha256: str | Unset | None = UNSET
    base_labels: tuple[str, ...] | Unset | None = UNSET
    teachers: tuple[NamedModel, ...] | Unset | None = UNSET
    train: TrainedOn | Unset | None = UNSET
    unlabelled: TrainedOn | Unset | None = UNSET
    soft_labels: tuple[TrainedOn, ...] | Unset | None = UNSET
    evaluation: TrainedOn | Unset | None = UNSET
    left_out: tuple[str, ...] | Unset | None = UNSET
    initialised: tuple[str, ...] | Unset | None = UNSET
    base_head: object | Unset = UNSET
    steps: Count | Unset | None = UNSET
    epochs_done: tuple[JsonObject, ...] | Unset | None = UNSET
    curve: tuple[JsonObject, ...] | Unset | None = UNSET
    evaluations: tuple[JsonObject, ...] | Unset | None = UNSET
    seconds: float | Unset | None = UNSET
    examples_per_second: float | Unset | None = UNSET
    tokens_per_second: float | Unset | None = UNSET
    before: JsonObject | Unset | None = UNSET
    after: JsonObject | Unset | None = UNSET
    kept_epoch: int | float | Unset | None = UNSET
    chosen_on: str | Unset | None = UNSET
    chosen_by: str | Unset | None = UNSET
    parameters: Count | Unset | None = UNSET
    weights_sha256: str | Unset | None = UNSET
    agreement_sample: AgreementSample | Unset | None = UNSET
    teacher_figures: JsonObject | Unset | None = UNSET
    student_figures: JsonObject | Unset | None = UNSET
    kept: Retained | Unset | None = UNSET
    kept_as: JsonObject | Unset | None = UNSET
    documents: Count | Unset | None = UNSET
    characters: Count | Unset | None = UNSET
    sha256: str | Unset | None = UNSET
    versions: dict[str, str] = msgspec.field(default_factory=dict)
    machine: Machine = Machine()

    @classmethod
    def of(cls, settings: Mapping[str, object], **outcome: object) -> "TrainingReport":
        """Make the report of a run.

        Args:
            settings: all that the run depends on. What is no field of a report is a hyper-parameter; what is one, such
                as the data, stands there.
            **outcome: what came of it, by field.

        Returns:
            The report.
        """
        fields = set(cls.__struct_fields__)
        assert set(outcome) <= fields, f"no fields of a report: {set(outcome) - fields}"
        content = {name: value for name, value in settings.items() if name in fields} | outcome
        hyper_parameters = {name: value for name, value in settings.items() if name not in fields}
        return msgspec.convert(msgspec.to_builtins(content) | {"settings": hyper_parameters}, cls)

    @classmethod
    def upgraded(cls, content: JsonObject) -> JsonObject:
        """Bring format 0 to format 1: it did not say which keys are hyper-parameters."""
        return content | {"hyper_parameters": [name for name in content if name not in _OUTCOME_OF_FORMAT_0]}

    @classmethod
    def nested(cls, content: JsonObject) -> JsonObject:
        """Put the settings into an object of their own."""
        names = content.get("hyper_parameters")
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            return content | {"settings": names}  # refused by the types
        settings = {name: content[name] for name in names if name in content}
        rest = {name: value for name, value in content.items() if name not in settings and name != "hyper_parameters"}
        return rest | {"settings": settings}

    @classmethod
    def flattened(cls, content: JsonObject) -> JsonObject:
        """Put the settings beside the rest."""
        settings = content["settings"]
        assert isinstance(settings, dict), "its type says so"
        rest = {name: value for name, value in content.items() if name not in ("settings", "format")}
        return {"format": content["format"], **settings, **rest, "hyper_parameters": list(settings)}


_OUTCOME_OF_FORMAT_0 = frozenset(
    {
        *("labels", "base", "base_sha256", "train", "unlabelled", "evaluation", "teachers", "parameters", "left_out"),
        *("initialised", "steps", "epochs_done", "curve", "evaluations", "seconds", "examples_per_second", "before"),
        *("tokens_per_second", "kept_epoch", "chosen_on", "chosen_by", "weights_sha256", "agreement_sample"),
        *("kept", "kept_as", "base_head", "base_labels", "versions", "machine", "after"),
        *("documents", "characters", "sha256", "teacher_figures", "student_figures"),
    }
)
"""What stood beside the hyper-parameters in reports of format 0."""
