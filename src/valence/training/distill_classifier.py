"""Distilling a classifier from start to finish: teachers and texts in, the folder of a smaller classifier out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file

from valence.checkpoint.checkpoint import load_base
from valence.checkpoint.tensors import write_tensors
from valence.data.examples import Examples, Text
from valence.errors import InputError, TrainingError
from valence.evaluation.speed import seconds_in_turn
from valence.files import write_json
from valence.folder import ModelFolder
from valence.model.heads import TaskModel
from valence.runtime.classifier import Classifier
from valence.runtime.load import load_folder
from valence.runtime.scores import scores_of
from valence.text.tokenizer import Tokenizer
from valence.training.classifier_folder import save_classifier
from valence.training.devices import make_accelerator
from valence.training.distilling import Distilling, Side, kept
from valence.training.fine_tune import classifier_evaluator, describe_examples
from valence.training.loop import Monitor, train
from valence.training.pretrain import describe_documents
from valence.training.run import check_folder, course, describe_base, environment, run_state
from valence.training.state import RunState
from valence.training.student import make_student
from valence.training.task_distillation import UNLABELLED, TaskDistillation, TaskStudent

__all__ = ["ClassifierDistilling", "distill_classifier"]

_SPEED_TEXTS = 512
_SOFT_TARGETS = "soft_targets.safetensors"


@dataclass(frozen=True, kw_only=True)
class ClassifierDistilling(Distilling):
    """The distillation of a classifier as the user asked for it."""

    teachers: Sequence[ModelFolder]
    """One, or an ensemble whose mean probabilities are learnt."""
    base: ModelFolder
    """The checkpoint whose layers the student starts from; most often the first teacher."""
    train: Examples
    """Labelled texts."""
    unlabelled: Sequence[str] = ()
    """More texts, of which the teachers alone say something."""
    evaluation: Examples | None = None
    """What the best epoch is chosen on, and the accuracy kept is measured on."""
    temperature: float = 2.0
    soft_weight: float = 0.5
    """Of the teachers' probabilities; the labels have the rest."""
    layer_by_layer: bool = False
    """Whether the first teacher's layers are matched, too."""

    def __post_init__(self) -> None:
        if not 0.0 < self.temperature <= 100.0:
            raise InputError(f"the temperature must lie above 0 and not above 100, found {self.temperature}")
        if not 0.0 <= self.soft_weight <= 1.0:
            raise InputError(f"the weight of soft targets must lie in [0, 1], found {self.soft_weight}")


def distill_classifier(
    run: ClassifierDistilling, resume: bool = False, monitor: Monitor | None = None
) -> dict[str, Any]:
    """Teach a smaller classifier what one or several larger ones say.

    Args:
        run: what to do.
        resume: go on with the run whose state lies in the folder, if there is one.
        monitor: is told how it goes.

    Returns:
        The content of reports/training.json.

    Raises:
        InputError: if the folder is in use, or teachers, student and data do not go together.
        TrainingError: if the run had to stop, or cannot be resumed; the last state is kept.
    """
    accelerator = make_accelerator()
    is_main = accelerator.is_main_process
    if is_main:
        check_folder(run.out, resume)
    else:
        monitor = None  # the main process speaks for all
    teachers = _Teachers(run)
    student = make_student(load_base(run.base, "distilbert", run.train.names, run.seed).model, run.shape, run.seed)
    matched = _matched_teacher(run) if run.layer_by_layer else None
    max_length = min(run.recipe.max_length, run.base.max_position_embeddings)
    tokenizer = Tokenizer.from_folder(run.base, max_length)
    texts = [*run.train.texts, *run.unlabelled]
    settings = {
        **run.settings(accelerator, max_length),
        "architecture": "distilbert",
        "labels": list(run.train.names),
        **describe_base(run.base),
        "teachers": [describe_base(folder) for folder in run.teachers],
        "temperature": run.temperature,
        "soft_weight": run.soft_weight,
        "layer_by_layer": run.layer_by_layer,
        "train": describe_examples(run.train),
        "unlabelled": describe_documents(run.unlabelled),
        "evaluation": None if run.evaluation is None else describe_examples(run.evaluation),
    }
    with run_state(run.out, settings, accelerator, resume) as state:
        if is_main:
            _ask(state, teachers, texts)
        accelerator.wait_for_everyone()
        objective = TaskDistillation(
            tokenizer(texts),
            [*run.train.labels.tolist(), *[UNLABELLED] * len(run.unlabelled)],
            _answers(state),
            tokenizer.pad_token_id,
            run.temperature,
            run.soft_weight,
            None if matched is None else matched.to(accelerator.device),
        )
        progress = train(
            TaskStudent(student, None if matched is None else matched.config.hidden_size, run.seed),
            objective,
            run.recipe,
            run.seed,
            state,
            accelerator,
            None if run.evaluation is None else classifier_evaluator(run.evaluation, tokenizer, student),
            monitor,
            run.save_every,
        )
        if not is_main:
            return {}
        epochs = run.recipe.epochs
        report = {
            **settings,
            **course(progress, epochs * len(texts), epochs * sum(objective.lengths)),
            "kept_epoch": progress.best_epoch or epochs,
            "chosen_on": run.evaluation.source.title if run.evaluation and progress.best_epoch else None,
            **save_classifier(student, run.out, run.base, run.train, run.seed),
            "kept": None if run.evaluation is None else _accuracy_kept(run, run.evaluation, teachers),
            **environment(accelerator),
        }
        write_json(run.out / "reports" / "training.json", report)
    return report


class _Teachers:
    """One classifier, or several whose probabilities are averaged.

    Args:
        run: which.
    """

    def __init__(self, run: ClassifierDistilling) -> None:
        self._names = run.train.names
        self._temperature = run.temperature
        self._teachers = [
            load_folder(folder, engine="torch" if folder.weight_files else "auto", long_text="truncate")
            for folder in run.teachers
        ]
        for folder, teacher in zip(run.teachers, self._teachers, strict=True):
            if set(teacher.labels) != set(self._names):
                raise InputError(
                    f"{folder.name} has the labels {', '.join(teacher.labels)}, the data {', '.join(self._names)}"
                )
        counts = [folder.n_parameters for folder in run.teachers]
        self.n_parameters = None if None in counts else sum(count or 0 for count in counts)

    def probabilities(self, texts: Sequence[Text], temperature: float | None = None) -> NDArray[np.float64]:
        """Average what the teachers say.

        Args:
            texts: N texts.
            temperature: that of the run if None.

        Returns:
            [N, C], in the order of the data's labels.
        """
        total = np.zeros((len(texts), len(self._names)))
        for teacher in self._teachers:
            order = [teacher.labels.index(name) for name in self._names]
            logits = teacher.logits(texts)[:, order] / (temperature or self._temperature)
            total += scores_of(logits, "single_label_classification")
        mean: NDArray[np.float64] = total / len(self._teachers)
        return mean


def _matched_teacher(run: ClassifierDistilling) -> TaskModel:
    """Load the model whose layers are matched: the first teacher's, as a DistilBERT."""
    theirs, ours = Tokenizer.from_folder(run.teachers[0]), Tokenizer.from_folder(run.base)
    if theirs.vocabulary.ids != ours.vocabulary.ids:
        raise InputError(
            f"layer by layer needs one vocabulary, and those of {run.teachers[0].name} and {run.base.name} differ"
        )
    return load_base(run.teachers[0], "distilbert", run.train.names, run.seed).model.eval()


def _ask(state: RunState, teachers: _Teachers, texts: Sequence[Text]) -> None:
    """Ask the teachers, once: a resumed run finds their answers."""
    file = state.folder / _SOFT_TARGETS
    if not file.is_file():
        write_tensors(file, {"probabilities": torch.from_numpy(teachers.probabilities(texts).astype(np.float32))})


def _answers(state: RunState) -> NDArray[np.float32]:
    file = state.folder / _SOFT_TARGETS
    try:
        found: NDArray[np.float32] = load_file(file)["probabilities"].numpy()
    except (SafetensorError, KeyError) as problem:
        raise TrainingError(f"{file}: cannot be read: {problem}. Remove it, then go on with --resume") from None
    return found


def _accuracy_kept(run: ClassifierDistilling, data: Examples, teachers: _Teachers) -> dict[str, Any]:
    """Measure teachers and student on the evaluation data, both through PyTorch where the teachers have weights."""
    engine = "torch" if all(folder.weight_files for folder in run.teachers) else "auto"
    student: Classifier = load_folder(ModelFolder(run.out, str(run.out)), engine=engine, long_text="truncate")  # type: ignore[arg-type]
    sample = data.texts[:_SPEED_TEXTS]
    works: list[Callable[[], object]] = [partial(teachers.probabilities, sample), partial(student.logits, sample)]
    speeds = [round(len(sample) / seconds, 1) for seconds in seconds_in_turn(works)]
    right = [
        float((scores.argmax(axis=1) == data.labels).mean())
        for scores in (teachers.probabilities(data.texts, 1.0), student.logits(data.texts))
    ]
    n_student = ModelFolder(run.out, str(run.out)).n_parameters
    return kept(
        Side(teachers.n_parameters, right[0], speeds[0]),
        Side(n_student, right[1], speeds[1]),
        f"accuracy on {data.source.title}",
    )
