"""Distilling a classifier from start to finish: teachers and texts in, the folder of a smaller classifier out."""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
import torch
from numpy.typing import NDArray

from valence.checkpoint.checkpoint import LoadedBase, load_base
from valence.checkpoint.classes import class_rows
from valence.data.examples import Examples, Text
from valence.data.soft_labels import SoftLabels, plain
from valence.errors import InputError, TrainingError
from valence.evaluation.evaluate import require_single_label
from valence.evaluation.measure import f1_of_classes
from valence.evaluation.speed import seconds_in_turn
from valence.families import FAMILIES, family_of
from valence.folder import ModelFolder
from valence.model.heads import TaskModel
from valence.progress import OnProgress, silent
from valence.reports.codec import write_report
from valence.reports.training import Retained, Side, TrainingReport
from valence.runtime.choice import EngineName
from valence.runtime.load import load_folder
from valence.runtime.scores import scores_of
from valence.text.tokenizer import Tokenizer
from valence.training.classification import choose_criterion, classifier_evaluator, shown_criterion
from valence.training.classifier_folder import save_classifier
from valence.training.counterfactuals import CONSISTENCY_WEIGHT
from valence.training.debiasing import debiased
from valence.training.devices import make_accelerator
from valence.training.distilling import Distilling
from valence.training.loop import Monitor, chosen_by, train
from valence.training.objective import Objective
from valence.training.run import (
    begun_by_version_1,
    check_folder,
    common_settings,
    describe_base,
    describe_documents,
    describe_examples,
    describe_model,
    describe_soft_labels,
    environment,
    run_state,
    run_statistics,
    warn_of_few_steps,
    warn_of_test_data,
    warn_of_warmup,
    with_columns,
)
from valence.training.state import RunState
from valence.training.student import make_student
from valence.training.task_distillation import UNLABELLED, GivenTargets, TaskDistillation, TaskStudent

__all__ = ["ClassifierDistilling", "distill_classifier"]

_SPEED_TEXTS = 512
_ASKED_AT_ONCE = 4096  # texts; what was asked before a run is killed need not be asked again


@dataclass(frozen=True, kw_only=True)
class ClassifierDistilling(Distilling):
    """The distillation of a classifier as the user asked for it."""

    teachers: Sequence[ModelFolder]
    """One, or an ensemble whose mean probabilities are learnt; none where soft labels stand in for them."""
    base: ModelFolder
    """The checkpoint whose layers the student starts from; most often the first teacher."""
    train: Examples | None
    """Labelled texts, if there are any."""
    names: tuple[str, ...]
    """The classes, by number."""
    soft_labels: Sequence[SoftLabels] = ()
    """Texts whose probabilities were given. A teacher is not asked about such a text."""
    teacher_labels: tuple[str, ...] | None = None
    """The classes of teachers that do not name theirs, by number."""
    unlabelled: Sequence[str] = ()
    """More texts, of which the teachers alone say something."""
    evaluation: Examples | None = None
    """What the best epoch is chosen on, and what is kept of the teachers' accuracy or F1 is measured on."""
    temperature: float = 2.0
    soft_weight: float = 0.5
    """Of the teachers' probabilities; the labels have the rest."""
    teacher_engine: EngineName | None = None
    """What runs the teachers while they are asked; None: PyTorch for those that have a checkpoint."""
    layer_by_layer: bool = False
    """Whether the first teacher's layers are matched, too."""
    debias: tuple[str, ...] = ()
    """Some of `DEBIAS`: what the student is made to answer alike for."""
    consistency_weight: float = CONSISTENCY_WEIGHT
    """Of the divergence between such answers."""
    positive: str | None = None
    """The class by whose F1 the best epoch is chosen; None: see `choose_criterion`."""

    def __post_init__(self) -> None:
        if not 0.0 < self.temperature <= 100.0:
            raise InputError(f"the temperature must lie above 0 and not above 100, found {self.temperature}")
        if not 0.0 <= self.soft_weight <= 1.0:
            raise InputError(f"the weight of soft targets must lie in [0, 1], found {self.soft_weight}")
        if not (self.teachers or self.soft_labels):
            raise InputError("there is nothing to learn from: name a teacher, or soft labels")
        if self.train is None and self.soft_weight == 0.0:
            raise InputError("a weight of 0 of soft targets leaves nothing to learn: there are no labelled texts")
        if self.layer_by_layer and any(isinstance(text, tuple) for text in self.texts):
            theirs = self.teachers[0].family
            if theirs.trained_as != theirs.name:
                raise InputError(
                    f"layer by layer a {theirs.title} is matched as a {FAMILIES[theirs.trained_as].title}, which "
                    "cannot tell the texts of a pair apart: give single texts"
                )

    @cached_property
    def texts(self) -> Sequence[Text]:
        """Every text, in the order in which they are numbered: labelled, unlabelled, with soft labels."""
        labelled = [] if self.train is None else self.train.texts
        return [*labelled, *self.unlabelled, *(text for one in self.soft_labels for text in one.texts)]

    @cached_property
    def labels(self) -> Sequence[int]:
        """Their class numbers, or `UNLABELLED`."""
        labels = [] if self.train is None else self.train.labels.tolist()
        return [*labels, *[UNLABELLED] * (len(self.texts) - len(labels))]

    @cached_property
    def asked(self) -> Sequence[int]:
        """The numbers of the texts that teachers are asked about: all that have no soft label."""
        first = len(self.texts) - sum(map(len, self.soft_labels))
        if not self.soft_labels:
            return range(first)
        known = {plain(text) for text in self.texts[first:]}
        return [number for number in range(first) if plain(self.texts[number]) not in known] if self.teachers else []

    @property
    def max_length(self) -> int:
        """Tokens read of a text: the recipe's, or what student and matched teacher have positions for."""
        limits = [self.recipe.max_length, self.base.max_position_embeddings]
        return min([*limits, self.teachers[0].max_position_embeddings] if self.layer_by_layer else limits)


def distill_classifier(
    run: ClassifierDistilling,
    resume: bool = False,
    monitor: Monitor | None = None,
    on_base: Callable[[LoadedBase], None] | None = None,
    on_asked: OnProgress = silent,
) -> TrainingReport | None:
    """Teach a smaller classifier what one or several larger ones say.

    Args:
        run: what to do.
        resume: go on with the run whose state lies in the folder, if there is one.
        monitor: is told how it goes.
        on_base: is told what was left out of the base and what was initialised.
        on_asked: is told how many texts the teachers have answered, and of how many.

    Returns:
        What went into reports/training.json; None in a process that is not the main one.

    Raises:
        InputError: if the folder is in use, or teachers, student and data do not go together.
        TrainingError: if the run had to stop, or cannot be resumed; the last state is kept.
    """
    accelerator = make_accelerator()
    is_main = accelerator.is_main_process
    texts = run.texts
    if is_main:
        check_folder(run.out, resume)
        warn_of_warmup(run.recipe, len(texts))
        warn_of_few_steps(run.recipe, len(texts))
        warn_of_test_data(run.recipe, run.evaluation)
    else:
        monitor, on_base, on_asked = None, None, silent  # the main process speaks for all
    teachers = _Teachers(run, run.teacher_engine) if is_main and run.teachers else None
    base = load_base(
        run.base,
        run.base.family.trained_as,
        run.names,
        run.seed,
        base_labels=run.teacher_labels,
        any_order=not begun_by_version_1(run.out, resume),
    )
    if on_base is not None:
        on_base(base)
    student = make_student(base.model, run.shape, run.seed, run.recipe.freeze)
    matched = _matched_teacher(run) if run.layer_by_layer else None
    tokenizer = Tokenizer.from_folder(run.base, run.max_length)
    settings = {
        **common_settings(run.recipe, run.max_length, run.seed, accelerator),
        "architecture": run.base.family.trained_as,
        "shape": dataclasses.asdict(run.shape),
        "labels": list(run.names),
        **describe_base(run.base),
        **({"teachers": [describe_model(folder) for folder in run.teachers]} if run.teachers else {}),
        "temperature": run.temperature,
        "soft_weight": run.soft_weight,
        "layer_by_layer": run.layer_by_layer,
        **({"debias": list(run.debias), "consistency_weight": run.consistency_weight} if run.debias else {}),
        "teacher_engine": run.teacher_engine,
        **({"positive": run.positive} if run.positive is not None else {}),
        "train": None if run.train is None else describe_examples(run.train),
        "unlabelled": describe_documents(run.unlabelled),
        **({"soft_labels": [describe_soft_labels(one) for one in run.soft_labels]} if run.soft_labels else {}),
        "evaluation": None if run.evaluation is None else describe_examples(run.evaluation),
    }
    choose_by = "accuracy" if run.evaluation is None else choose_criterion(run.evaluation, run.positive)
    with run_state(run.out, settings, accelerator, resume) as state:
        if teachers is not None:
            _ask(state, teachers, [texts[number] for number in run.asked], on_asked)
        accelerator.wait_for_everyone()
        soft_targets, given = _soft_targets(run, _answers(state, len(run.asked), len(run.names)))
        objective: Objective = TaskDistillation(
            tokenizer(texts),
            run.labels,
            soft_targets,
            tokenizer.pad_token_id,
            run.temperature,
            run.soft_weight,
            None if matched is None else matched.to(accelerator.device),
            given=given,
        )
        if run.debias:
            about = (run.debias, run.consistency_weight)
            objective = debiased(objective, *about, texts, run.labels, run.names, tokenizer)
        progress = train(
            TaskStudent(student, None if matched is None else matched.config.hidden_size, run.seed),
            objective,
            run.recipe,
            run.seed,
            state,
            accelerator,
            None if run.evaluation is None else classifier_evaluator(run.evaluation, tokenizer, student, run.positive),
            monitor,
            run.save_every,
            choose_by=choose_by,
        )
        if not is_main:
            return None
        epochs = run.recipe.epochs
        report = TrainingReport.of(
            with_columns(settings, train=run.train, evaluation=run.evaluation),
            left_out=base.left_out,
            initialised=base.initialised,
            base_head=base.head,
            **run_statistics(progress, epochs * len(texts), epochs * sum(objective.lengths)),
            kept_epoch=progress.best_epoch or epochs,
            chosen_on=run.evaluation.source.title if run.evaluation and progress.best_epoch else None,
            chosen_by=chosen_by(progress.history, choose_by) if progress.best_epoch else None,
            **save_classifier(student, run.out, run.base, run.names, run.train, run.seed),
            kept=None
            if run.evaluation is None or not run.teachers
            else _retained(run, run.evaluation, student, choose_by),
            **environment(accelerator),
        )
        write_report(run.out / "reports" / "training.json", report)
    return report


class _Teachers:
    """One classifier, or several whose probabilities are averaged.

    Args:
        run: which.
        engine: what runs them; None: PyTorch for those that have a checkpoint.
    """

    def __init__(self, run: ClassifierDistilling, engine: EngineName | None = None) -> None:
        self._names = run.names
        self._temperature = run.temperature
        self._teachers = []
        for folder in run.teachers:
            teacher = load_folder(
                folder,
                engine=engine or ("torch" if _has_network(folder) else "auto"),
                labels=run.teacher_labels if folder.labels is None or folder.labels_are_placeholders else None,
                long_text="truncate",
                calibrated=False,  # students learn what logits say
            )
            require_single_label(teacher)
            rows = class_rows(self._names, teacher.labels)
            if rows is None:
                raise InputError(
                    f"{folder.name} has the labels {', '.join(teacher.labels)}, the data {', '.join(self._names)}; "
                    "--labels names the classes, by number, of data and of teachers that have numbers only"
                )
            self._teachers.append((teacher, list(rows)))
        counts = [folder.n_parameters for folder in run.teachers]
        self.n_parameters = None if None in counts else sum(count or 0 for count in counts)
        self.engine = ", ".join(dict.fromkeys(teacher.engine.name for teacher, _ in self._teachers))

    def probabilities(self, texts: Sequence[Text], temperature: float | None = None) -> NDArray[np.float64]:
        """Average what the teachers say.

        Args:
            texts: N texts.
            temperature: that of the run if None.

        Returns:
            [N, C], in the order of the data's labels.
        """
        total = np.zeros((len(texts), len(self._names)))
        for teacher, rows in self._teachers:
            logits = teacher.logits(texts)[:, rows] / (temperature or self._temperature)
            total += scores_of(logits, "single_label_classification")
        mean: NDArray[np.float64] = total / len(self._teachers)
        return mean


def _has_network(folder: ModelFolder) -> bool:
    """Tell whether PyTorch can run a teacher."""
    return bool(folder.weight_files) and family_of(folder.config.get("model_type")) is not None


def _matched_teacher(run: ClassifierDistilling) -> TaskModel:
    """Load the model whose layers are matched: the first teacher's, without what a student would not keep."""
    theirs, ours = Tokenizer.from_folder(run.teachers[0]), Tokenizer.from_folder(run.base)
    if theirs.vocabulary.ids != ours.vocabulary.ids:
        raise InputError(
            f"layer by layer needs one vocabulary, and those of {run.teachers[0].name} and {run.base.name} differ"
        )
    return load_base(run.teachers[0], run.teachers[0].family.trained_as, run.names, run.seed).model.eval()


def _ask(state: RunState, teachers: _Teachers, texts: Sequence[Text], on_asked: OnProgress) -> None:
    """Ask the teachers once: a resumed run finds their answers, and asks for the rest."""
    for first in range(0, len(texts), _ASKED_AT_ONCE):
        if state.load_part(_part(first)) is not None:
            continue
        try:
            found = teachers.probabilities(texts[first : first + _ASKED_AT_ONCE]).astype(np.float32)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(f"what the teachers say of the first {first:,} texts is kept") from None
        try:
            state.save_part(_part(first), {"probabilities": torch.from_numpy(found)})
        except OSError as problem:
            raise TrainingError(
                f"{state.folder}: cannot keep what the teachers say: {problem.strerror or problem}; make room and go "
                "on with --resume"
            ) from None
        on_asked(first + len(found), len(texts))


def _part(first: int) -> str:
    return f"soft-targets-{first:09d}"


def _answers(state: RunState, n_texts: int, n_classes: int) -> NDArray[np.float32]:
    parts = [state.load_part(_part(first)) for first in range(0, n_texts, _ASKED_AT_ONCE)]
    none = np.empty((0, n_classes), np.float32)
    found: NDArray[np.float32] = np.concatenate(
        [none, *(part["probabilities"].numpy() for part in parts if part is not None)]
    )
    assert len(found) == n_texts, "not all texts were asked about"
    return found


def _soft_targets(
    run: ClassifierDistilling, answers: NDArray[np.float32]
) -> tuple[NDArray[np.float32], GivenTargets | None]:
    """Put what the teachers say and what was given in the order of the texts."""
    if not run.soft_labels:
        return answers, None
    n_texts, asked = len(run.texts), np.asarray(run.asked, np.intp)
    first = n_texts - sum(map(len, run.soft_labels))
    targets = np.full((n_texts, len(run.names)), 1.0 / len(run.names), np.float32)  # of no weight where it stays so
    weights = np.zeros(n_texts, np.float32)
    temperatures = np.full(n_texts, run.temperature, np.float32)
    targets[asked], weights[asked] = answers, 1.0
    targets[first:] = np.concatenate([one.probabilities for one in run.soft_labels])
    weights[first:] = np.concatenate([one.weights for one in run.soft_labels])
    temperatures[first:] = 1.0
    return targets, GivenTargets(temperatures, weights)


def _retained(run: ClassifierDistilling, data: Examples, model: TaskModel, criterion: str) -> Retained:
    """Measure teachers and student on the evaluation data, all through PyTorch where the teachers have weights."""
    teachers = _Teachers(run)
    folder = ModelFolder(run.out, str(run.out))
    student = load_folder(
        folder,
        engine="torch" if all(map(_has_network, run.teachers)) else "auto",
        long_text="truncate",
    )
    sample = data.texts[:_SPEED_TEXTS]
    works: list[Callable[[], object]] = [partial(teachers.probabilities, sample), partial(student.logits, sample)]
    speeds = [round(len(sample) / seconds, 1) for seconds in seconds_in_turn(works)]
    scores = (teachers.probabilities(data.texts, 1.0), student.logits(data.texts))
    figures = [_figure(run, data, one.argmax(axis=1), criterion) for one in scores]
    layers = run.teachers[0].n_layers if len(run.teachers) == 1 else None
    return Retained.of(
        Side(
            layers=layers,
            parameters=teachers.n_parameters,
            figure=figures[0],
            texts_per_second=speeds[0],
            engine=teachers.engine,
        ),
        Side(
            layers=model.config.n_layers,
            parameters=folder.n_parameters,
            figure=figures[1],
            texts_per_second=speeds[1],
            engine=student.engine.name,
        ),
        f"{shown_criterion(criterion, run.positive)} on {data.source.title}",
        f"{len(sample):,} texts of {data.source.title}",
    )


def _figure(run: ClassifierDistilling, data: Examples, predicted: NDArray[np.int64], criterion: str) -> float:
    if criterion == "accuracy":
        return float((predicted == data.labels).mean())
    f1 = f1_of_classes(data.labels, predicted, len(data.names))
    return float(f1.mean() if run.positive is None else f1[data.names.index(run.positive)])
