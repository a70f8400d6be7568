"""Pretraining from start to finish: plain text and a base in, a folder with the raw model out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from valence.checkpoint.checkpoint import LoadedBase, load_base, save_model
from valence.data.sources import DataSource
from valence.errors import InputError
from valence.families import Architecture
from valence.folder import ModelFolder
from valence.reports.codec import write_report
from valence.reports.report import JsonObject
from valence.reports.training import TrainingReport
from valence.text.tokenizer import Tokenizer
from valence.training.devices import make_accelerator
from valence.training.loop import Monitor, train
from valence.training.masked_lm import MaskedLM, PretrainingNetwork, evaluate_masked_lm
from valence.training.masking import Masking
from valence.training.packing import Corpus, pack, pair_up
from valence.training.recipe import Recipe
from valence.training.run import (
    check_folder,
    common_settings,
    describe_base,
    describe_documents,
    environment,
    run_state,
    run_statistics,
    warn_of_warmup,
)
from valence.training.state import Progress

__all__ = ["Pretraining", "hold_out", "pretrain"]

_HELD_OUT_SHARE = 0.01
_MOST_HELD_OUT = 500
_EVALUATIONS = 5  # in a run


@dataclass(frozen=True, kw_only=True)
class Pretraining:
    """A pretraining run as the user asked for it."""

    documents: Sequence[str]
    held_out: Sequence[str]
    """Documents that the model never learns from."""
    sources: Sequence[DataSource]
    """Where the documents come from, for the report."""
    base: ModelFolder
    """The checkpoint to start from."""
    out: Path
    """The model folder to make."""
    recipe: Recipe
    architecture: Architecture | None = None
    """The family to make; None: the base's, but a BERT becomes a DistilBERT."""
    next_sentence: bool = False
    """Whether pairs are read, and BERT's next-sentence head is trained too."""
    whole_words: bool = False
    """Whether all tokens of a word are hidden at once."""
    seed: int = 42
    save_every: int = 500
    """Steps between two states on disk."""
    evaluate_every: int | None = None
    """Steps between two looks at the held-out documents; None: five times in all."""

    @property
    def made(self) -> Architecture:
        """The family of the model to make."""
        return self.architecture or self.base.family.trained_as

    @property
    def max_length(self) -> int:
        """Tokens of a sequence: the recipe's, or what the base has positions for."""
        return min(self.recipe.max_length, self.base.max_position_embeddings)

    def corpus(self, documents: Sequence[str], tokenizer: Tokenizer, what: str) -> Corpus:
        """Make sequences, or pairs, of documents.

        Args:
            documents: any.
            tokenizer: of the base, with this run's limit.
            what: what to call the documents in messages.

        Returns:
            What the model reads.
        """
        if self.next_sentence:
            return pair_up(documents, tokenizer, self.seed, what)
        return pack(documents, tokenizer, what)


def hold_out(documents: Sequence[str], seed: int) -> tuple[list[str], list[str]]:
    """Divide documents into those to learn from and a hundredth to measure on.

    Args:
        documents: at least two.
        seed: decides which.

    Returns:
        Documents to learn from, and those held out; both in their order.

    Raises:
        InputError: if there is only one.
    """
    if len(documents) < 2:
        raise InputError(
            "there is one document only, so none can be held out: give held-out text with --eval (in a .txt file a "
            "blank line ends a document)"
        )
    least = min(2, len(documents) // 2)  # pairs need two
    count = min(_MOST_HELD_OUT, max(least, round(_HELD_OUT_SHARE * len(documents))))
    chosen = set(np.random.default_rng(seed).permutation(len(documents))[:count].tolist())
    return (
        [text for number, text in enumerate(documents) if number not in chosen],
        [text for number, text in enumerate(documents) if number in chosen],
    )


def pretrain(
    run: Pretraining,
    resume: bool = False,
    monitor: Monitor | None = None,
    on_base: Callable[[LoadedBase], None] | None = None,
) -> TrainingReport | None:
    """Train a raw model and make its folder: checkpoint, tokenizer, report.

    Args:
        run: what to do.
        resume: go on with the run whose state lies in the folder, if there is one.
        monitor: is told how it goes.
        on_base: is told what was left out of the base and what was initialised.

    Returns:
        What went into reports/pretraining.json; None in a process that is not the main one.

    Raises:
        InputError: if the folder is in use, or the text does not do.
        TrainingError: if the run had to stop, or cannot be resumed; the last state is kept.
    """
    accelerator = make_accelerator()
    if accelerator.is_main_process:
        check_folder(run.out, resume)
    else:
        monitor = on_base = None  # the main process speaks for all
    base = load_base(run.base, run.made, (), run.seed, "pretraining" if run.next_sentence else "masked-lm")
    if on_base is not None:
        on_base(base)
    tokenizer = Tokenizer.from_folder(run.base, run.max_length)
    masking = Masking.of(tokenizer, run.whole_words)
    objective = MaskedLM(run.corpus(run.documents, tokenizer, "the text"), masking, tokenizer.pad_token_id)
    held_out = run.corpus(run.held_out, tokenizer, "the held-out text")
    n_examples = len(objective.lengths)
    if accelerator.is_main_process:
        warn_of_warmup(run.recipe, n_examples)
    evaluate_every = run.evaluate_every or max(1, run.recipe.total_steps(n_examples) // _EVALUATIONS)
    settings = {
        **common_settings(run.recipe, run.max_length, run.seed, accelerator),
        "architecture": run.made,
        "next_sentence": run.next_sentence,
        "whole_words": run.whole_words,
        **describe_base(run.base),
        "text": [source.title for source in run.sources],
        "train": describe_documents(run.documents),
        "evaluation": describe_documents(run.held_out),
        "evaluate_every": evaluate_every,
    }
    with run_state(run.out, settings, accelerator, resume) as state:
        progress = train(
            PretrainingNetwork(base.model),
            objective,
            run.recipe,
            run.seed,
            state,
            accelerator,
            lambda: evaluate_masked_lm(base.model, held_out, masking, tokenizer.pad_token_id),
            monitor,
            run.save_every,
            evaluate_every,
        )
        if not accelerator.is_main_process:
            return None
        save_model(base.model, run.out)
        Tokenizer.from_folder(run.base, base.model.config.longest_text).save(run.out)
        outcome = _outcome(run, base, progress, objective.lengths)
        report = TrainingReport.of(settings, **outcome, **environment(accelerator))
        write_report(run.out / "reports" / "pretraining.json", report)
    return report


def _outcome(run: Pretraining, base: LoadedBase, progress: Progress, lengths: Sequence[int]) -> JsonObject:
    epochs = run.recipe.epochs
    return {
        "parameters": sum(parameter.numel() for parameter in base.model.parameters()),
        "left_out": list(base.left_out),
        "initialised": list(base.initialised),
        **run_statistics(progress, epochs * len(lengths), epochs * sum(lengths)),
        "before": progress.evaluations[0],
        "after": progress.evaluations[-1],
        "weights_sha256": ModelFolder(run.out, str(run.out)).weights_hash(),
    }
