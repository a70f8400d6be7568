"""Fine-tuning from start to finish: data and a base in, a complete model folder out."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from accelerate import Accelerator

from valence.checkpoint.checkpoint import LoadedBase, load_base
from valence.data.examples import Examples
from valence.families import Architecture
from valence.folder import ModelFolder
from valence.reports.codec import write_report
from valence.reports.report import JsonObject
from valence.reports.training import TrainingReport
from valence.text.tokenizer import Tokenizer
from valence.training.classification import Classification, choose_criterion, classifier_evaluator
from valence.training.classifier_folder import save_classifier
from valence.training.counterfactuals import CONSISTENCY_WEIGHT
from valence.training.debiasing import debiased
from valence.training.devices import make_accelerator
from valence.training.few_labels import warn_of_few_labels
from valence.training.loop import Monitor, chosen_by, train
from valence.training.objective import Objective
from valence.training.recipe import Recipe
from valence.training.run import (
    begun_by_version_1,
    check_folder,
    common_settings,
    describe_base,
    describe_examples,
    environment,
    run_state,
    run_statistics,
    warn_of_few_steps,
    warn_of_test_data,
    warn_of_warmup,
    with_columns,
)
from valence.training.state import Progress

__all__ = ["FineTuning", "fine_tune"]


@dataclass(frozen=True, kw_only=True)
class FineTuning:
    """A fine-tuning run as the user asked for it."""

    train: Examples
    evaluation: Examples | None
    """What the best epoch is chosen on."""
    base: ModelFolder
    """The checkpoint to start from."""
    out: Path
    """The model folder to make."""
    recipe_name: str
    recipe: Recipe
    architecture: Architecture | None = None
    """The family to make; None: the base's, but a BERT becomes a DistilBERT."""
    seed: int = 42
    save_every: int = 500
    """Steps between two states on disk."""
    debias: tuple[str, ...] = ()
    """Some of `DEBIAS`: what the classifier is made to answer alike for."""
    consistency_weight: float = CONSISTENCY_WEIGHT
    """Of the divergence between such answers."""
    base_labels: tuple[str, ...] | None = None
    """The classes of a base that does not name its own, by number."""
    positive: str | None = None
    """The class by whose F1 the best epoch is chosen; None: see `choose_criterion`."""

    @property
    def max_length(self) -> int:
        """Tokens read of a text: the recipe's, or what the base has positions for."""
        return min(self.recipe.max_length, self.base.max_position_embeddings)

    @property
    def made(self) -> Architecture:
        """The family of the model to make."""
        return self.architecture or self.base.family.trained_as

    @property
    def _names_base(self) -> bool:
        """Whether the base's own names say nothing."""
        return self.base.labels is None or self.base.labels_are_placeholders

    def settings(self, accelerator: Accelerator) -> JsonObject:
        """Describe everything the result depends on, as JSON keeps it and without a path of this machine.

        Args:
            accelerator: the devices and processes of the run.

        Returns:
            Names to values.
        """
        return {
            "recipe": self.recipe_name,
            **common_settings(self.recipe, self.max_length, self.seed, accelerator),
            "architecture": self.made,
            "labels": list(self.train.names),
            **({"debias": list(self.debias), "consistency_weight": self.consistency_weight} if self.debias else {}),
            **describe_base(self.base),
            **({"base_labels": list(self.base_labels)} if self._names_base and self.base_labels else {}),
            **({"positive": self.positive} if self.positive is not None else {}),
            "train": describe_examples(self.train),
            "evaluation": None if self.evaluation is None else describe_examples(self.evaluation),
        }


def fine_tune(
    run: FineTuning,
    resume: bool = False,
    monitor: Monitor | None = None,
    on_base: Callable[[LoadedBase], None] | None = None,
) -> TrainingReport | None:
    """Train a classifier and make its folder complete: checkpoint, tokenizer, report and an fp32 ONNX export.

    Args:
        run: what to do.
        resume: go on with the run whose state lies in the folder, if there is one.
        monitor: is told how it goes.
        on_base: is told what was left out of the base and what was initialised.

    Returns:
        What went into reports/training.json; None in a process that is not the main one.

    Raises:
        InputError: if the folder is in use, or the data does not fit the run.
        TrainingError: if the run had to stop, or cannot be resumed; the last state is kept.
    """
    accelerator = make_accelerator()
    settings = run.settings(accelerator)
    if accelerator.is_main_process:
        warn_of_warmup(run.recipe, len(run.train))
        warn_of_test_data(run.recipe, run.evaluation)
        check_folder(run.out, resume)
    else:
        monitor = on_base = None  # the main process speaks for all
    base = load_base(
        run.base,
        run.made,
        run.train.names,
        run.seed,
        base_labels=run.base_labels,
        any_order=not begun_by_version_1(run.out, resume),
    )
    if on_base is not None:
        on_base(base)
    if accelerator.is_main_process and base.initialised:  # not a classifier of these classes that is trained further
        warn_of_few_steps(run.recipe, len(run.train))
        warn_of_few_labels(run.train)
    tokenizer = Tokenizer.from_folder(run.base, run.max_length)
    labels = run.train.labels.tolist()
    objective: Objective = Classification(tokenizer(run.train.texts), labels, tokenizer.pad_token_id)
    if run.debias:
        about = (run.debias, run.consistency_weight)
        objective = debiased(objective, *about, run.train.texts, labels, run.train.names, tokenizer)
    evaluate, choose_by = None, "accuracy"
    if run.evaluation is not None:
        evaluate = classifier_evaluator(run.evaluation, tokenizer, base.model, run.positive)
        choose_by = choose_criterion(run.evaluation, run.positive)
    # The state begins only now, so that a run that could not start leaves nothing behind.
    with run_state(run.out, settings, accelerator, resume) as state:
        progress = train(
            base.model,
            objective,
            run.recipe,
            run.seed,
            state,
            accelerator,
            evaluate,
            monitor,
            run.save_every,
            choose_by=choose_by,
        )
        if not accelerator.is_main_process:
            return None
        return _finish(run, base, settings, progress, objective, accelerator, choose_by)


def _finish(
    run: FineTuning,
    base: LoadedBase,
    settings: JsonObject,
    progress: Progress,
    objective: Objective,
    accelerator: Accelerator,
    choose_by: str,
) -> TrainingReport:
    """Make the folder complete; the run's state is still there, so that a failure here can be resumed."""
    epochs = run.recipe.epochs
    report = TrainingReport.of(
        with_columns(settings, train=run.train, evaluation=run.evaluation),
        left_out=base.left_out,
        initialised=base.initialised,
        base_head=base.head,
        **run_statistics(progress, epochs * len(run.train), epochs * sum(objective.lengths)),
        kept_epoch=progress.best_epoch or epochs,
        chosen_on=run.evaluation.source.title if run.evaluation and progress.best_epoch else None,
        chosen_by=chosen_by(progress.history, choose_by) if progress.best_epoch else None,
        **save_classifier(base.model, run.out, run.base, run.train.names, run.train, run.seed),
        **environment(accelerator),
    )
    write_report(run.out / "reports" / "training.json", report)
    return report
