"""From what was timed to figures: medians, ratios, agreement."""

import statistics
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from valence.benchmark.entrants import Entrant, Model
from valence.benchmark.results import Agreement, Cold, ContenderFacts, Floor, Report, RowFacts, SingleFacts
from valence.benchmark.turns import Row, Single
from valence.benchmark.workloads import Workload
from valence.text.tokenizer import Tokenizer

__all__ = ["build_report"]

_SURE = 1e-7  # scores this near to 0 or 1 are held to be this near; float32 knows no better


def build_report(
    models: Sequence[Model],
    entrants: Sequence[Entrant],
    workloads: Sequence[Workload],
    rows: dict[str, list[Row]],
    singles: Sequence[Single],
    floor: Floor,
) -> Report:
    """Compute the figures.

    Args:
        models: all models.
        entrants: all entrants.
        workloads: all workloads.
        rows: by workload.
        singles: the calls with one text.
        floor: of the machine.

    Returns:
        JSON values.
    """
    tokens = {(workload.name, model.key): _count_tokens(model, workload) for workload in workloads for model in models}
    return {
        "models": {model.key: {"title": model.title, **model.facts} for model in models},
        "workloads": {
            workload.name: {
                "title": workload.title,
                "texts": len(workload.texts),
                "tokens": {model.key: tokens[workload.name, model.key] for model in models},
            }
            for workload in workloads
        },
        "contenders": [_contender(entrant) for entrant in entrants],
        "rows": [
            _row(row, workload, tokens[workload.name, row.entrant.model.key], rows[workload.name])
            for workload in workloads
            for row in rows[workload.name]
        ],
        "singles": [_single(single) for single in singles],
        "floor": floor,
    }


def _count_tokens(model: Model, workload: Workload) -> int:
    tokenized = Tokenizer.from_folder(model.tokenizer_folder)(workload.texts)
    return sum(len(text.ids) for text in tokenized)


def _contender(entrant: Entrant) -> ContenderFacts:
    contender = entrant.contender
    facts = entrant.facts
    if entrant.cold:
        seconds, peaks = zip(*entrant.cold, strict=True)
        cold: Cold = {
            "seconds": statistics.median(seconds),
            "peak_mib": statistics.median(peaks),
            "runs": len(seconds),
        }
        facts = {**facts, "cold": cold}
    return {
        "model": entrant.model.key,
        "key": contender.key,
        "title": contender.title,
        "ours": contender.ours,
        "compiles_shapes": contender.compiles_shapes,
        **facts,
    }


def _row(row: Row, workload: Workload, n_tokens: int, others: Sequence[Row]) -> RowFacts:
    contender, model = row.entrant.contender, row.entrant.model
    median = statistics.median(row.seconds)
    facts: RowFacts = {
        "workload": workload.name,
        "model": model.key,
        "key": contender.key,
        "title": contender.title,
        "ours": contender.ours,
        "mode": row.mode,
        "documented": row.mode in contender.documented,
        "budget": row.budget or None,
        "passes": len(row.seconds),
        "seconds": median,
        "fastest_seconds": min(row.seconds),
        "slowest_seconds": max(row.seconds),
        "first_seconds": row.first_seconds,
        "texts_per_second": len(workload.texts) / median,
        "tokens_per_second": n_tokens / median,
    }
    if not model.facts.get("random"):
        right = [answer[0].lower() == label.lower() for answer, label in zip(row.answers, workload.labels, strict=True)]
        facts["accuracy"] = float(np.mean(right))
    for other in others:
        if other.is_baseline:
            facts.setdefault("ratios", {})[other.entrant.model.key] = _ratio(other, row)
            if other.entrant.model.key == model.key:
                facts["agreement"] = _agreement(row.answers, other.answers, bool(model.facts.get("random")))
    return facts


def _ratio(slow: Row, quick: Row) -> float:
    """How many times as fast, in the passes that both made, else by the medians."""
    return statistics.median(slow.seconds) / statistics.median(quick.seconds)


def _agreement(answers: Sequence[tuple[str, float]], expected: Sequence[tuple[str, float]], random: bool) -> Agreement:
    """Compare labels and scores with those of the pipeline in fp32.

    A score of another label is taken from 1, which is exact for two classes. Labels of random weights mean nothing: the
    scores all lie near one half and the smallest difference decides; so only logits are compared.
    """
    same = np.array([answer[0] == other[0] for answer, other in zip(answers, expected, strict=True)])
    ours = np.array([answer[1] for answer in answers], dtype=np.float64)
    theirs = np.array([other[1] for other in expected], dtype=np.float64)
    theirs = np.where(same, theirs, 1 - theirs)
    logits = np.abs(_log_odds(ours) - _log_odds(theirs))
    found: Agreement = {
        "p99_logit_difference": float(np.quantile(logits, 0.99)),
        "largest_logit_difference": float(logits.max()),
    }
    if random:
        return found
    differences = np.abs(ours - theirs)
    return {
        **found,
        "labels": float(same.mean()),
        "p99_difference": float(np.quantile(differences, 0.99)),
        "largest_difference": float(differences.max()),
    }


def _log_odds(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    kept = np.clip(scores, _SURE, 1 - _SURE)
    odds: NDArray[np.float64] = np.log(kept) - np.log1p(-kept)
    return odds


def _single(single: Single) -> SingleFacts:
    milliseconds = 1e3 * np.array(single.seconds)
    return {
        "model": single.entrant.model.key,
        "key": single.entrant.contender.key,
        "title": single.entrant.contender.title,
        "ours": single.entrant.contender.ours,
        "tokens": single.n_tokens,
        "calls": len(single.seconds),
        "p50_ms": float(np.quantile(milliseconds, 0.5)),
        "p99_ms": float(np.quantile(milliseconds, 0.99)),
    }
