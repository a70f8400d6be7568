"""A model's name to what a raw model can do: fill masked words, judge next sentences. PyTorch runs it, in fp32."""

import os
from importlib.util import find_spec

from valence.errors import EngineError, MissingExtraError
from valence.folder import ModelFolder
from valence.hub import find_model
from valence.runtime.mask_filler import MaskFiller
from valence.runtime.next_sentence import NextSentencePredictor
from valence.runtime.threads import check_threads, thread_count
from valence.text.tokenizer import Tokenizer

__all__ = ["load_masked_lm", "load_next_sentence"]


def load_masked_lm(
    name: str | os.PathLike[str], *, revision: str | None = None, threads: int | None = None
) -> MaskFiller:
    """Load a raw model to fill masked words with.

    Args:
        name: a model folder, or a hub id; a `Path` is always a folder.
        revision: a branch, tag or commit, for a hub id.
        threads: how many to use at most; as many as there are processors if None.

    Returns:
        The filler.

    Raises:
        ModelError: if there is no such model, or it cannot be loaded.
        MissingHeadError: if it has no masked-LM head.
        MissingExtraError: if PyTorch is not installed; says what to type.
    """
    check_threads(threads)
    folder = _find(name, revision, "Filling masked words")
    from valence.runtime.torch_masked_lm import TorchMaskedLM

    engine = TorchMaskedLM.from_folder(folder, threads)
    return MaskFiller(Tokenizer.from_folder(folder, threads=thread_count(threads)), engine)


def load_next_sentence(
    name: str | os.PathLike[str], *, revision: str | None = None, threads: int | None = None
) -> NextSentencePredictor:
    """Load a raw BERT to ask whether one sentence follows another.

    Args:
        name: see `load_masked_lm`.
        revision: see `load_masked_lm`.
        threads: see `load_masked_lm`.

    Returns:
        The predictor.

    Raises:
        ModelError: if there is no such model, or it cannot be loaded.
        MissingHeadError: if it has no next-sentence head, as no DistilBERT has.
        MissingExtraError: if PyTorch is not installed; says what to type.
    """
    check_threads(threads)
    folder = _find(name, revision, "Predicting next sentences")
    from valence.runtime.torch_engine import TorchEngine

    engine = TorchEngine.from_folder(folder, "fp32", threads=threads, task="next-sentence")
    return NextSentencePredictor(Tokenizer.from_folder(folder, threads=thread_count(threads)), engine)


def _find(name: str | os.PathLike[str], revision: str | None, what: str) -> ModelFolder:
    folder = find_model(name, revision)
    if not folder.weight_files:
        raise EngineError(
            f"{folder.name}: it holds {folder.what_it_holds}; {what.lower()} needs a raw model's weights, such as "
            "distilbert-base-uncased's or those that valence pretrain makes"
        )
    if find_spec("torch") is None:
        raise MissingExtraError("train", what)
    return folder
