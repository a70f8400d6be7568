"""A name to a model folder: the embedded default, a path, or a hub id.

Only a hub id reaches the network, through `huggingface_hub`, which is imported for that alone and which
knows about caches, tokens, revisions and offline mode (HF_HUB_OFFLINE=1). The first request is made once,
with a time limit: where the hub does not answer, the copy in the cache is used, or one line says what was
needed.
"""

import glob
import logging
import os
import re
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Literal

from valence.errors import (
    ConfigError,
    DataError,
    HubError,
    InputError,
    MissingExtraError,
    ModelNotFoundError,
    ValenceError,
)
from valence.families import FAMILIES, family_of
from valence.files import read_json
from valence.folder import PLAIN_ONNX, TOKENIZER_FILES, ModelFolder, onnx_data_files, unknown_family

__all__ = ["DEFAULT", "HubModel", "fetch_dataset", "find_model", "search_models"]

DEFAULT = "default"
_DEFAULT_FOLDER = Path(__file__).parent / "default_model"
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?", re.ASCII)
# What a model needs beside its weights.
_SMALL_FILES = ("config.json", *TOKENIZER_FILES, "calibration.json", "README.md")
# Those of them that copies made by earlier versions lack, and what follows.
_UNREAD_TOKENS = "tokens that were added to its vocabulary may go unread"
_LATER_FILES = {
    "added_tokens.json": _UNREAD_TOKENS,
    "special_tokens_map.json": _UNREAD_TOKENS,
    "calibration.json": "its scores are not calibrated",
}
# Tags of repositories whose weights are in a form that valence reads.
_READABLE_TAGS = frozenset({"safetensors", "pytorch"})

_Kind = Literal["model", "dataset"]
_Read = Callable[[str], Path]
"""Fetches one of a repository's files."""
_Choose = Callable[[list[str], _Read], list[str]]
"""From the names of a repository's files to those that are needed; raises where there are none."""


@dataclass(frozen=True)
class HubModel:
    """A model on the hub that valence can load.

    Args:
        id: its hub id.
        family: the name of its family: one of `valence.families`, or of another where it runs from an ONNX export and
            the hub says it.
        downloads: in the last 30 days, as the hub says.
        likes: as the hub says.
        runs_from: "weights", or "onnx" where valence runs another program's ONNX export alone.
    """

    id: str
    family: str | None
    downloads: int
    likes: int
    runs_from: Literal["weights", "onnx"] = "weights"


def find_model(
    name: str | os.PathLike[str], revision: str | None = None, engine: str = "auto", precision: str | None = None
) -> ModelFolder:
    """Find the folder behind a model's name.

    Args:
        name: "default", a path, or a hub id such as "distilbert-base-uncased-finetuned-sst-2-english". A
            folder of that name in the working directory wins over a hub id; a `Path` is never taken for one.
        revision: a branch, tag or commit, for a hub id.
        engine: what is to run it. Of a hub repository that has weights and another program's ONNX export only one is
            fetched: the export for "onnx", and for "auto" where PyTorch is not installed or the family is not known.
        precision: the one it is to run in; "int8" for such an export in int8.

    Returns:
        The folder.

    Raises:
        InputError: if a revision is given for something else than a hub id, or the name can be nothing.
        ModelNotFoundError: if there is no such folder, or no such model on the hub.
        HubError: if the hub cannot be reached or refuses.
    """
    if not isinstance(name, str | Path):
        raise InputError(f"a model's name must be a text or a path, found {name!r:.80}")
    text = os.fspath(name)
    if not text.strip():
        raise InputError("expected 'default', a folder or a hub id as a model's name, found an empty one")
    is_default = name == DEFAULT
    try:
        path = Path(text).expanduser()
        is_file = path.is_file()
        is_path = path.is_dir() or not isinstance(name, str) or _looks_like_path(text)
    except (OSError, RuntimeError) as problem:  # too long, not permitted; no such user
        raise InputError(f"{text!r:.80} cannot be used as a model's name: {problem!s:.120}") from None
    if revision is not None and (is_default or is_path):
        raise InputError(f"a revision goes with a hub id; {text!r} is not one")
    if is_default:
        return ModelFolder(_DEFAULT_FOLDER, DEFAULT, embedded=True)
    if is_file:
        raise InputError(f"{text} is a file; a model is the folder that holds it")
    if is_path:
        return ModelFolder(path, text)
    if not _HUB_ID.fullmatch(text):
        raise InputError(f"{text!r:.80} is neither 'default', nor a folder, nor a hub id")
    choose = partial(_model_files, text, engine, precision)
    return ModelFolder(_fetch(text, revision, "model", choose)[0], text)


def _looks_like_path(name: str) -> bool:
    return name.startswith((".", "/", "~")) or name.endswith("/") or name.count("/") > 1


def _model_files(name: str, engine: str, precision: str | None, files: list[str], read: _Read) -> list[str]:
    """Choose what to download: the small files, and our engines and weights, or another program's ONNX export."""
    small = [file for file in files if file in _SMALL_FILES]
    weights = _weight_files(files)
    if "onnx/manifest.json" in files and "config.json" in files:
        return small + [file for file in files if file.startswith("onnx/")] + weights
    plain = next((file for file in PLAIN_ONNX["int8" if precision == "int8" else None] if file in files), None)
    if "config.json" not in files or not (weights or plain):
        in_int8 = " or ".join(file for file in PLAIN_ONNX["int8"] if file in files)
        advice = f"; {in_int8} is there for precision int8 (--precision int8)" if in_int8 else ""
        raise ModelNotFoundError(
            f"{name} on the hub is not a model that valence can read: expected config.json and "
            f"model.safetensors, pytorch_model.bin or an ONNX export as onnx/model.onnx (found: {_some(files)}){advice}"
        )
    export = [] if plain is None else [plain, *onnx_data_files(plain, files)]
    model_type = read_json(read("config.json"), ConfigError).get("model_type")
    quantised = next((file for file in PLAIN_ONNX["int8"] if file in files), None)
    if family_of(model_type) is None:  # said before anything large is downloaded for nothing
        if not export:
            raise unknown_family(f"{name} on the hub", model_type, None, quantised)
        if not {"tokenizer.json", "vocab.txt", "vocab.json"} & set(files):
            raise _no_tokenizer(name, files)
    if family_of(model_type) is None or not weights:
        return small + export
    has_torch = find_spec("torch") is not None
    if not (has_torch or export or quantised is None) and (engine, precision) == ("auto", None):
        raise MissingExtraError("train", f"{name} on the hub runs with precision int8 (--precision int8); in fp32 it")
    is_wanted = engine == "onnx" or precision == "int8" or (engine == "auto" and not has_torch)
    return small + (export if export and is_wanted else weights)


def _no_tokenizer(name: str, files: list[str]) -> ModelNotFoundError:
    pieces = next((file for file in files if file.endswith(".model")), None)
    why = "" if pieces is None else f" (its {pieces} needs sentencepiece)"
    return ModelNotFoundError(
        f"{name} on the hub has no tokenizer.json{why}: write one with transformers, "
        f'AutoTokenizer.from_pretrained("{name}").save_pretrained(FOLDER), and copy config.json and the export there'
    )


def _weight_files(files: list[str]) -> list[str]:
    """Choose one form of the weights."""
    for single, index, shard in (
        ("model.safetensors", "model.safetensors.index.json", r"model-\d+-of-\d+\.safetensors"),
        ("pytorch_model.bin", "pytorch_model.bin.index.json", r"pytorch_model-\d+-of-\d+\.bin"),
    ):
        if single in files:
            return [single]
        if index in files:
            return [index, *(file for file in files if re.fullmatch(shard, file))]
    return []


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
    choose = partial(_split_files, repository, splits)
    folder, chosen = _fetch(identifier, revision or None, "dataset", choose)
    return tuple(folder / name for name in chosen)


def _split_files(repository: str, splits: tuple[str, ...], files: list[str], _read: _Read) -> list[str]:
    """Choose a split's files: `data/train-00000-of-00001.parquet`, `train/0000.parquet`, `train.parquet`."""
    tables = sorted(name for name in files if name.endswith(".parquet"))
    for split in splits:
        pattern = re.compile(rf"(.*/|){re.escape(split)}([-_.]\d[^/]*|/[^/]*)?\.parquet")
        folders = {name: match[1] for name in tables if (match := pattern.fullmatch(name))}
        if len(set(folders.values())) > 1:
            raise DataError(
                f"the hub data set {repository} has several configurations "
                f"({', '.join(sorted({folder.rstrip('/') or '.' for folder in folders.values()}))}); "
                "download the Parquet files you mean and give their path"
            )
        if folders:
            return list(folders)
    raise DataError(
        f"the hub data set {repository} has no Parquet files of a split called {' or '.join(splits)} "
        f"(found: {_some(tables or files)})"
    )


def _some(names: list[str]) -> str:
    return (", ".join(names[:8]) or "nothing") + (", …" if len(names) > 8 else "")


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
    unique: dict[str, HubModel] = {}
    with _quiet():
        try:
            for family in FAMILIES:
                unique.update((model.id, model) for model in islice(_list(family, query, limit), limit))
            for model in islice(_list(None, query, limit), limit):
                unique.setdefault(model.id, model)
        except _hub_problems() as problem:
            raise _explain("the list of models", problem) from None
    return sorted(unique.values(), key=lambda model: -model.downloads)[:limit]


def _list(family: str | None, query: str | None, limit: int) -> Iterator[HubModel]:
    """Ask for a family's classifiers, or for those with an ONNX export (None), a page at a time.

    Each is asked for once: `HfApi.list_models` would try for half a minute.
    """
    from huggingface_hub import constants, get_session, hf_raise_for_status
    from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]

    url = f"{constants.ENDPOINT}/api/models"
    parameters: dict[str, str | int | list[str]] | None = {
        "filter": ["text-classification", family or "onnx"],
        "sort": "downloads",
        "limit": limit,
        **({"search": query} if query else {}),
        **({} if family else {"expand": ["config", "downloads", "likes", "siblings"]}),
    }
    while url:
        response = get_session().get(
            url, params=parameters, headers=build_hf_headers(), timeout=constants.HF_HUB_ETAG_TIMEOUT
        )
        hf_raise_for_status(response)
        for model in response.json():
            tags = set(model.get("tags") or ())
            files = {file.get("rfilename") for file in model.get("siblings") or ()}
            figures = model.get("downloads") or 0, model.get("likes") or 0
            if family is None and "tokenizer.json" in files and not files.isdisjoint(PLAIN_ONNX[None]):
                yield HubModel(model["id"], (model.get("config") or {}).get("model_type"), *figures, "onnx")
            elif family is not None and tags & _READABLE_TAGS and "custom_code" not in tags:
                yield HubModel(model["id"], family, *figures)
        url, parameters = response.links.get("next", {}).get("url", ""), None


def _fetch(name: str, revision: str | None, kind: _Kind, choose: _Choose) -> tuple[Path, list[str]]:
    """Download the chosen files of a repository, or find them in the cache where the hub does not answer.

    Args:
        name: the repository's id.
        revision: a branch, tag or commit; the main branch if None.
        kind: model or data set.
        choose: which of its files are needed.

    Returns:
        The folder that holds them, and their names.

    Raises:
        ValenceError: one line that says what was needed and how to get it.
    """
    from huggingface_hub import HfApi, constants, hf_hub_download, snapshot_download

    ask = HfApi().model_info if kind == "model" else HfApi().dataset_info
    with _quiet():
        try:
            info = ask(name, revision=revision, timeout=constants.HF_HUB_ETAG_TIMEOUT)
            read = partial(hf_hub_download, name, repo_type=kind, revision=info.sha)
            chosen = choose([file.rfilename for file in info.siblings or ()], lambda file: Path(read(file)))
            patterns = [glob.escape(file) for file in chosen]
            folder = snapshot_download(name, repo_type=kind, revision=revision, allow_patterns=patterns)
            return Path(folder), chosen
        except _hub_problems() as problem:
            if _is_silence(problem) and (cached := _find_in_cache(name, revision, kind, choose)):
                return cached
            what = f"the {'model' if kind == 'model' else 'data set'} {name}"
            raise _explain(f"{what} at {revision}" if revision else what, problem, kind) from None


def _find_in_cache(name: str, revision: str | None, kind: _Kind, choose: _Choose) -> tuple[Path, list[str]] | None:
    """Find a repository's chosen files on this machine, all of them."""
    from huggingface_hub import get_cached_repo_tree, hf_hub_download, snapshot_download
    from huggingface_hub.errors import CachedRepoTreeNotFoundError, LocalEntryNotFoundError

    local = partial(snapshot_download, name, repo_type=kind, revision=revision, local_files_only=True)
    read = partial(hf_hub_download, name, repo_type=kind, revision=revision, local_files_only=True)
    try:
        try:
            files = [file.path for file in get_cached_repo_tree(name, repo_type=kind, revision=revision)]
        except CachedRepoTreeNotFoundError:  # downloaded file by file, by another program
            folder = Path(local())
            files = [str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()]
        chosen = choose(files, lambda file: Path(read(file)))
        try:
            return Path(local(allow_patterns=[glob.escape(file) for file in chosen])), chosen
        except LocalEntryNotFoundError:
            fewer = [file for file in chosen if file not in _LATER_FILES]
            found = Path(local(allow_patterns=[glob.escape(file) for file in fewer])), fewer
        lacking = [file for file in chosen if file not in fewer]
        so = " and ".join(dict.fromkeys(_LATER_FILES[file] for file in lacking))
        warnings.warn(
            f"the copy of {name} on this machine lacks {' and '.join(lacking)}, so {so}: load it once where the hub "
            "can be reached",
            stacklevel=2,
        )
        return found
    except (LocalEntryNotFoundError, ModelNotFoundError):
        return None


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the client's warnings off the terminal and its progress off anything else: our errors say it."""
    from huggingface_hub import constants
    from huggingface_hub.utils import disable_progress_bars  # type: ignore[attr-defined]

    log = logging.getLogger("huggingface_hub")
    level = log.level
    if level == logging.WARNING:  # its own choice; another one is the user's
        log.setLevel(logging.ERROR)
    hide = constants.HF_HUB_DISABLE_PROGRESS_BARS is None and not sys.stderr.isatty()
    try:
        with disable_progress_bars() if hide else nullcontext():
            yield
    finally:
        log.setLevel(level)


def _hub_problems() -> tuple[type[Exception], ...]:
    """What the client raises: refusals, network errors, full disks, ids and answers that are none."""
    from huggingface_hub.errors import HTTPError, XetDownloadError  # type: ignore[attr-defined]

    return (HTTPError, OSError, ValueError, KeyError, TypeError, AttributeError, XetDownloadError)


def _is_silence(problem: Exception) -> bool:
    """Tell a hub that is not there, switched off or in trouble from one that answered."""
    from huggingface_hub.errors import HTTPError, OfflineModeIsEnabled  # type: ignore[attr-defined]

    status = _status(problem)
    if status is not None:
        return status == 429 or status >= 500
    return isinstance(problem, (HTTPError, OfflineModeIsEnabled, FileNotFoundError))


def _status(problem: Exception) -> int | None:
    """The HTTP status of a refusal, None where nothing answered."""
    return getattr(getattr(problem, "response", None), "status_code", None)


def _explain(what: str, problem: Exception, kind: _Kind | None = None) -> ValenceError:
    """Say in one line what was needed, why it could not be had, and how to get it."""
    from huggingface_hub import constants, errors

    if isinstance(problem, errors.LocalEntryNotFoundError) and isinstance(problem.__cause__, Exception):
        problem = problem.__cause__
    lines = [line.strip() for line in str(problem).splitlines() if line.strip()]
    reason = f"{lines[0] if lines else type(problem).__name__:.200}"
    or_copy = ", or copy its files to this machine and give their path" if kind else ""
    not_found = DataError if kind == "dataset" else ModelNotFoundError
    if isinstance(problem, errors.OfflineModeIsEnabled):
        return HubError(f"{what} has to come from the hub, which HF_HUB_OFFLINE forbids: unset it and repeat{or_copy}")
    if isinstance(problem, errors.GatedRepoError):
        return HubError(f"{what} is gated: accept its terms on the hub and log in with: hf auth login")
    if isinstance(problem, errors.RevisionNotFoundError):
        return not_found(f"{what}: the hub has no such revision")
    if isinstance(problem, errors.RepositoryNotFoundError):
        nor_here = "no such folder here and " if kind == "model" else ""
        return not_found(f"{what}: {nor_here}no such repository on the hub (if it is private: hf auth login)")
    if (status := _status(problem)) is not None:
        advice = "log in again with: hf auth login" if status in (401, 403) else "try again later"
        return HubError(f"{what} has to come from the hub, which refused ({reason}): {advice}")
    if isinstance(problem, errors.HFValidationError):
        return InputError(f"{what}: not a hub id: {reason}")
    if isinstance(problem, (errors.HTTPError, errors.LocalEntryNotFoundError)):  # type: ignore[attr-defined]
        return HubError(
            f"{what} has to come from the hub, and {constants.ENDPOINT} cannot be reached ({reason}): "
            f"connect and repeat{or_copy}"
        )
    if isinstance(problem, OSError):
        return HubError(f"{what} could not be saved on this machine: {reason}")
    return HubError(f"{what}: {constants.ENDPOINT} gave an answer that is not a hub's: {reason}")
