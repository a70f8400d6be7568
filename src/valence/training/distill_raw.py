"""Distilling a raw model from start to finish: a teacher and plain text in, the folder of a smaller model out."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch

from valence.checkpoint.checkpoint import load_base, save_model
from valence.data.sources import DataSource
from valence.errors import InputError
from valence.evaluation.speed import seconds_in_turn
from valence.folder import ModelFolder
from valence.model.heads import TaskModel
from valence.reports.codec import write_report
from valence.reports.training import Retained, Side, TrainingReport
from valence.text.batching import collate
from valence.text.tokenizer import Tokenizer
from valence.training.devices import make_accelerator
from valence.training.distilling import Distilling
from valence.training.loop import Monitor, train
from valence.training.masked_lm import evaluate_masked_lm
from valence.training.masking import Masking
from valence.training.packing import PackedText, pack
from valence.training.raw_distillation import (
    COSINE_WEIGHT,
    MASKED_LM_WEIGHT,
    SOFT_WEIGHT,
    TEMPERATURE,
    RawDistillation,
    RawStudent,
)
from valence.training.run import (
    check_folder,
    common_settings,
    describe_documents,
    describe_model,
    environment,
    run_state,
    run_statistics,
    warn_of_warmup,
)
from valence.training.student import make_student

__all__ = ["RawDistilling", "distill_raw"]

_EVALUATIONS = 5  # in a run
_SPEED_SEQUENCES = 32


@dataclass(frozen=True, kw_only=True)
class RawDistilling(Distilling):
    """The distillation of a raw model as the user asked for it."""

    teacher: ModelFolder
    documents: Sequence[str]
    held_out: Sequence[str]
    """Documents that the student never learns from."""
    sources: Sequence[DataSource]
    """Where the documents come from, for the report."""
    whole_words: bool = False
    everywhere: bool = True
    """See `RawDistillation`."""


def distill_raw(run: RawDistilling, resume: bool = False, monitor: Monitor | None = None) -> TrainingReport | None:
    """Teach a smaller raw model what a larger one expects of text.

    Args:
        run: what to do.
        resume: go on with the run whose state lies in the folder, if there is one.
        monitor: is told how it goes.

    Returns:
        What went into reports/distillation.json; None in a process that is not the main one.

    Raises:
        InputError: if the folder is in use, or teacher, student and text do not go together.
        TrainingError: if the run had to stop, or cannot be resumed; the last state is kept.
    """
    accelerator = make_accelerator()
    if accelerator.is_main_process:
        check_folder(run.out, resume)
    else:
        monitor = None  # the main process speaks for all
    base = load_base(run.teacher, run.teacher.family.trained_as, (), run.seed, "masked-lm")
    if base.initialised:
        raise InputError(f"{run.teacher.name}: a teacher needs a masked-LM head; this one lacks {base.initialised[0]}")
    teacher = base.model.eval().to(accelerator.device)
    student = make_student(base.model, run.shape, run.seed, run.recipe.freeze)
    max_length = min(run.recipe.max_length, run.teacher.max_position_embeddings)
    tokenizer = Tokenizer.from_folder(run.teacher, max_length)
    masking, pad = Masking.of(tokenizer, run.whole_words), tokenizer.pad_token_id
    corpus, held_out = pack(run.documents, tokenizer), pack(run.held_out, tokenizer, "the held-out text")
    if accelerator.is_main_process:
        warn_of_warmup(run.recipe, len(corpus.texts))
    settings = {
        **common_settings(run.recipe, max_length, run.seed, accelerator),
        "shape": dataclasses.asdict(run.shape),
        "teacher": describe_model(run.teacher),
        "loss_weights": {"soft_targets": SOFT_WEIGHT, "masked_lm": MASKED_LM_WEIGHT, "cosine": COSINE_WEIGHT},
        "temperature": TEMPERATURE,
        "whole_words": run.whole_words,
        "soft_targets_everywhere": run.everywhere,
        "text": [source.title for source in run.sources],
        "train": describe_documents(run.documents),
        "evaluation": describe_documents(run.held_out),
    }
    with run_state(run.out, settings, accelerator, resume) as state:
        progress = train(
            RawStudent(student, teacher.config.hidden_size, run.seed),
            RawDistillation(corpus, masking, pad, teacher, run.everywhere),
            run.recipe,
            run.seed,
            state,
            accelerator,
            lambda: evaluate_masked_lm(student, held_out, masking, pad),
            monitor,
            run.save_every,
            max(1, run.recipe.total_steps(len(corpus.texts)) // _EVALUATIONS),
        )
        if not accelerator.is_main_process:
            return None
        save_model(student, run.out)
        Tokenizer.from_folder(run.teacher, student.config.longest_text).save(run.out)
        epochs = run.recipe.epochs
        figures = [evaluate_masked_lm(one, held_out, masking, pad) for one in (teacher, student)]
        speeds = _speeds([teacher, student], held_out, pad)
        engine = f"torch {accelerator.device.type}"
        out = ModelFolder(run.out, str(run.out))
        sides = [
            Side(
                layers=one.config.n_layers, parameters=size, figure=found["top1"], texts_per_second=speed, engine=engine
            )
            for one, size, found, speed in zip(
                (teacher, student), (run.teacher.n_parameters, out.n_parameters), figures, speeds, strict=True
            )
        ]
        report = TrainingReport.of(
            settings,
            **run_statistics(progress, epochs * len(corpus.texts), epochs * sum(corpus.lengths)),
            teacher_figures=figures[0],
            student_figures=figures[1],
            weights_sha256=out.weights_hash(),
            **environment(accelerator),
            kept=Retained.of(
                sides[0],
                sides[1],
                "share of hidden words found as the most likely one",
                f"sequences of {max_length} tokens through the encoder",
            ),
        )
        write_report(run.out / "reports" / "distillation.json", report)
    return report


def _speeds(models: Sequence[TaskModel], corpus: PackedText, pad: int) -> list[float]:
    """Measure sequences per second through the encoders, in turn."""
    sequences = corpus.texts[:_SPEED_SEQUENCES]
    batch = torch.from_numpy(collate(sequences, pad).input_ids)

    @torch.inference_mode()
    def encode(model: TaskModel) -> float:
        hidden = model.eval().encoder(batch.to(next(model.parameters()).device))
        return float(hidden[0, 0, 0])  # waits for a GPU to be done

    seconds = seconds_in_turn([partial(encode, model) for model in models])
    return [round(len(sequences) / taken, 1) for taken in seconds]
