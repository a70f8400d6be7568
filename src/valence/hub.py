"""A name to a model folder: the embedded default, a path, or a hub id.

Only a hub id reaches the network, through `huggingface_hub`, which is imported for that alone and which knows about
caches, tokens, revisions and offline mode (HF_HUB_OFFLINE=1).
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from valence.errors import DataError, HubError, InputError, ModelNotFoundError
from valence.folder import ModelFolder

__all__ = ["DEFAULT", "HubModel", "fetch_dataset", "find_model", "search_models"]

DEFAULT = "default"
SUPPORTED_FAMILIES = ("distilbert", "bert")
_DEFAULT_FOLDER = Path(__file__).parent / "default_model"
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
# What a model needs beside its weights.
_SMALL_FILES = ("config.json", "tokenizer.json", "tokenizer_config.json", "vocab.txt", "README.md")


@dataclass(frozen=True)
class HubModel:
    """A model on the hub that valence can load.

    Args:
        id: its hub id.
        family: "distilbert" or "bert".
        downloads: in the last 30 days, as the hub says.
        likes: as the hub says.
    """

    id: str
    family: str
    downloads: int
    likes: int


def find_model(name: str, revision: str | None = None) -> ModelFolder:
    """Find the folder behind a model's name.

    Args:
        name: "default", a path, or a hub id such as "distilbert-base-uncased-finetuned-sst-2-english".
        revision: a branch, tag or commit, for a hub id.

    Returns:
        The folder.

    Raises:
        InputError: if a revision is given for something else than a hub id, or the name can be nothing.
        ModelNotFoundError: if there is no such folder, or no such model on the hub.
        HubError: if the hub cannot be reached or refuses.
    """
    path = Path(name).expanduser()
    is_path = path.is_dir() or name.startswith((".", "/", "~")) or name.endswith("/") or name.count("/") > 1
    if name == DEFAULT or is_path:
        if revision is not None:
            raise InputError(f"a revision goes with a hub id; {name!r} is not one")
        if name == DEFAULT:
            return ModelFolder(_DEFAULT_FOLDER, DEFAULT, embedded=True)
        return ModelFolder(path, name)
    if path.is_file():
        raise InputError(f"{name} is a file; a model is the folder that holds it")
    if not _HUB_ID.fullmatch(name):
        raise InputError(f"{name!r} is neither 'default', nor a folder, nor a hub id")
    return ModelFolder(_fetch_model(name, revision), name)


def search_models(query: str | None = None, limit: int = 20) -> list[HubModel]:
    """List text classifiers on the hub that valence can load, most downloaded first.

    Args:
        query: words in the id; None for any.
        limit: the most to list.

    Returns:
        The models.

    Raises:
        HubError: if the hub cannot be reached or refuses.
    """
    from huggingface_hub import HfApi

    found: dict[str, HubModel] = {}
    try:
        for family in SUPPORTED_FAMILIES:
            for model in HfApi().list_models(
                search=query, filter=["text-classification", family], sort="downloads", limit=limit
            ):
                found[model.id] = HubModel(model.id, family, model.downloads or 0, model.likes or 0)
    except Exception as problem:
        raise _hub_error("the list of models", problem) from None
    return sorted(found.values(), key=lambda model: -model.downloads)[:limit]


def fetch_dataset(repository: str, splits: tuple[str, ...]) -> tuple[Path, ...]:
    """Download the Parquet files of one split of a hub data set.

    Args:
        repository: "OWNER/NAME", optionally with "@REVISION".
        splits: names of the split, best first.

    Returns:
        The files, in order.

    Raises:
        DataError: if the data set has no Parquet files of such a split.
        HubError: if the hub cannot be reached or refuses.
    """
    identifier, _, revision = repository.partition("@")
    if not _HUB_ID.fullmatch(identifier):
        raise DataError(f"{repository!r} is not a hub data set: expected hub:OWNER/NAME[@REVISION][:SPLIT]")
    files = _snapshot(identifier, revision or None, "dataset", lambda names: _split_files(names, splits))
    chosen = _split_files([str(path.relative_to(files)) for path in files.rglob("*.parquet")], splits)
    if not chosen:
        raise DataError(f"the hub data set {repository} has no Parquet files of a split called {' or '.join(splits)}")
    return tuple(files / name for name in chosen)


def _split_files(names: list[str], splits: tuple[str, ...]) -> list[str]:
    """Choose a split's files: `data/train-00000-of-00001.parquet`, `default/train/0000.parquet`, `train.parquet`."""
    for split in splits:
        pattern = re.compile(rf"(^|.*/){re.escape(split)}([-_.][^/]*|/[^/]*)?\.parquet")
        if chosen := sorted(name for name in names if pattern.fullmatch(name)):
            folders = {name.split("/")[0] for name in chosen if "/" in name}
            if len(folders) > 1:
                raise DataError(
                    f"the hub data set has several configurations ({', '.join(sorted(folders))}); "
                    "download the Parquet file you mean and give its path"
                )
            return chosen
    return []


def _fetch_model(name: str, revision: str | None) -> Path:
    return _snapshot(name, revision, "model", _model_files)


def _model_files(names: list[str]) -> list[str]:
    """Choose what to download: the small files, our engines if there are any, else one form of the weights."""
    chosen = [name for name in names if name in _SMALL_FILES]
    if "onnx/manifest.json" in names:
        chosen += [name for name in names if name.startswith("onnx/")]
    for single, index in (
        ("model.safetensors", "model.safetensors.index.json"),
        ("pytorch_model.bin", "pytorch_model.bin.index.json"),
    ):
        stem, ending = single.split(".", 1)
        shards = [name for name in names if re.fullmatch(rf"{stem}-\d+-of-\d+\.{re.escape(ending)}", name)]
        if single in names:
            return [*chosen, single]
        if index in names:
            return [*chosen, index, *shards]
    return chosen


def _snapshot(identifier: str, revision: str | None, kind: str, choose: Any) -> Path:
    """Download the chosen files of a repository, or find them in the cache when the hub is out of reach."""
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError, OfflineModeIsEnabled

    what = f"the {'data set' if kind == 'dataset' else kind} {identifier}" + (f" at {revision}" if revision else "")
    try:
        try:
            names = HfApi().list_repo_files(identifier, repo_type=kind, revision=revision)
        except (OfflineModeIsEnabled, ConnectionError, OSError) as problem:
            if not _out_of_reach(problem):
                raise
            return Path(
                snapshot_download(identifier, repo_type=kind, revision=revision, local_files_only=True)
            )
        chosen = choose(names)
        if not chosen:
            raise DataError(f"{what} holds nothing that valence can read (found: {', '.join(names[:8])})")
        return Path(snapshot_download(identifier, repo_type=kind, revision=revision, allow_patterns=chosen))
    except LocalEntryNotFoundError:
        raise HubError(
            f"{what} is not on this machine and the hub cannot be reached: connect once, or copy the folder here "
            "and give its path"
        ) from None
    except DataError:
        raise
    except Exception as problem:
        raise _hub_error(what, problem) from None


def _out_of_reach(problem: Exception) -> bool:
    """Tell a network that is not there (or switched off) from a hub that answered."""
    return getattr(problem, "response", None) is None


def _hub_error(what: str, problem: Exception) -> HubError | ModelNotFoundError:
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    if isinstance(problem, GatedRepoError):
        return HubError(f"{what} is gated: accept its terms on the hub and log in with `hf auth login`")
    if isinstance(problem, RevisionNotFoundError):
        return ModelNotFoundError(f"{what}: the hub has no such revision")
    if isinstance(problem, RepositoryNotFoundError):
        return ModelNotFoundError(f"{what}: no folder of that name here, and no such repository on the hub")
    if getattr(problem, "response", None) is None:
        return HubError(f"{what} needs the hub, which cannot be reached ({type(problem).__name__})")
    return HubError(f"{what}: the hub refused: {str(problem).splitlines()[0]:.200}")
