"""What pretraining changes: a base with a fresh masked-LM head, and the same after `valence pretrain`.

    python benchmarks/raw_model.py BASE PRETRAINED [--text ../shared/data/wikinews/test.txt] [--json FILE]

Perplexity of hidden words, the share of 50 hidden words found among the five most likely, and how often next sentences
are told from sentences of other documents; all on text that neither model was trained on.
"""

import json
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

import click
import numpy as np

from valence.checkpoint.checkpoint import load_base, save_model
from valence.data.documents import read_documents
from valence.data.sources import find_source
from valence.folder import ModelFolder
from valence.hub import find_model
from valence.model.heads import TaskModel
from valence.runtime.load_raw import load_masked_lm
from valence.text.sentences import split_sentences
from valence.text.tokenizer import Tokenizer
from valence.training.masked_lm import evaluate_masked_lm
from valence.training.masking import Masking
from valence.training.packing import pack, pair_up

_SEED = 0
_SENTENCES = 50
_LENGTH = 128
_WORD = re.compile(r"\b[a-z]{4,}\b")


def sentences_with_a_gap(documents: list[str], tokenizer: Tokenizer) -> list[tuple[str, str]]:
    """Choose sentences of other documents each, and hide one word of each that is a single token.

    Args:
        documents: held-out text.
        tokenizer: of the models.

    Returns:
        Sentences with [MASK], and the words.
    """
    random = np.random.default_rng(_SEED)
    chosen: list[tuple[str, str]] = []
    for number in random.permutation(len(documents)):
        sentences = [text for text in split_sentences(documents[number]) if 8 <= len(text.split()) <= 40]
        if not sentences:
            continue
        sentence = sentences[random.integers(len(sentences))]
        words = [match for match in _WORD.finditer(sentence) if match[0] in tokenizer.vocabulary.ids]
        if not words:
            continue
        word = words[random.integers(len(words))]
        chosen.append((f"{sentence[: word.start()]}[MASK]{sentence[word.end() :]}", word[0]))
        if len(chosen) == _SENTENCES:
            return chosen
    return chosen


def measure(model: TaskModel, folder: Path, documents: list[str]) -> dict[str, Any]:
    """Measure a raw model.

    Args:
        model: with both heads.
        folder: where it is saved.
        documents: held-out text.

    Returns:
        The figures.
    """
    tokenizer = Tokenizer.from_folder(ModelFolder(folder, folder.name), _LENGTH)
    masking, pad = Masking.of(tokenizer), tokenizer.pad_token_id
    figures = evaluate_masked_lm(model, pack(documents, tokenizer), masking, pad)
    pairs = evaluate_masked_lm(model, pair_up(documents, tokenizer, _SEED), masking, pad)
    filler = load_masked_lm(folder)
    gaps = sentences_with_a_gap(documents, tokenizer)
    found = [word in [fill.token for fill in filler.fill(text)] for text, word in gaps]
    return {
        **figures,
        "next_sentence_accuracy": pairs["next_sentence_accuracy"],
        "sentences": len(gaps),
        "found_among_five": sum(found) / len(found),
    }


@click.command()
@click.argument("base")
@click.argument("pretrained")
@click.option("--text", default="../shared/data/wikinews/test.txt", show_default=True)
@click.option("--json", "out", type=click.Path(path_type=Path), default=None)
def main(base: str, pretrained: str, text: str, out: Path | None) -> None:
    """Measure BASE with fresh heads, and PRETRAINED."""
    documents = read_documents([find_source(text, "eval")])
    report: dict[str, Any] = {"text": find_source(text, "eval").title, "documents": len(documents)}
    source = find_model(base)
    fresh = load_base(source, "bert", (), 42, "pretraining").model.eval()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "fresh"
        save_model(fresh, folder)
        Tokenizer.from_folder(source).save(folder)
        report["before"] = measure(fresh, folder, documents)
    trained = find_model(pretrained)
    report["after"] = measure(load_base(trained, "bert", (), 42, "pretraining").model.eval(), trained.path, documents)
    json.dump(report, sys.stdout, indent=2)
    print()
    if out is not None:
        out.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
