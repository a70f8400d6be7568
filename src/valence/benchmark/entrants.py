"""Models and contenders made ready: checkpoints written, engines exported, workers started."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from valence.benchmark.contenders import CONTENDERS, EMBEDDED, Contender
from valence.benchmark.floor import product_operations
from valence.benchmark.ours import classify_options
from valence.benchmark.pool import ContenderError, Worker, ask_once
from valence.benchmark.results import Answer, ContenderFacts, ModelFacts
from valence.errors import InputError
from valence.files import fingerprint
from valence.folder import ModelFolder
from valence.hub import DEFAULT, find_model
from valence.progress import Say

__all__ = ["RANDOM", "Entrant", "Model", "choose_model", "enter"]

RANDOM = "random"
"""The name of the model of the usual shape with random weights."""
_SENTENCE = "Hello, my dog is cute"


@dataclass
class Model:
    """A model that takes part.

    Args:
        key: its name.
        title: for tables.
        source: the folder of its weights; None for random ones, or where there are none.
        folder: where it is prepared.
        has_weights: whether everybody can run it; else the embedded engine alone.
    """

    key: str
    title: str
    source: Path | None
    folder: Path
    has_weights: bool
    facts: ModelFacts = field(default_factory=lambda: ModelFacts())

    @property
    def checkpoint(self) -> Path:
        """The folder of its weights in fp32, which everybody reads."""
        return self.folder / "checkpoint"

    @property
    def tokenizer_folder(self) -> ModelFolder:
        """The folder of its tokenizer."""
        return ModelFolder(self.checkpoint, self.key) if self.has_weights else find_model(DEFAULT)


@dataclass
class Entrant:
    """A contender with a model.

    Args:
        model: what it runs.
        contender: who.
    """

    model: Model
    contender: Contender
    facts: ContenderFacts = field(default_factory=lambda: ContenderFacts())
    worker: Worker | None = None
    cold: list[tuple[float, float]] = field(default_factory=list)
    """Seconds and MiB of each process that started, labelled one sentence and ended."""

    @property
    def name(self) -> str:
        """For messages."""
        return f"{self.model.key}: {self.contender.title}"

    @property
    def able(self) -> bool:
        """Whether it still takes part."""
        return "skipped" not in self.facts

    def start(self, rest: bool = True) -> None:
        """Start its worker and load the model.

        Args:
            rest: see `valence.benchmark.pool.Worker`.
        """
        self.worker = Worker(rest)
        self.facts["load_seconds"] = self.ask("open", **self._opening())["seconds"]

    def ask(self, do: str, **arguments: object) -> Answer:
        """Ask its worker; see `valence.benchmark.pool.Worker.ask`.

        Args:
            do: what.
            **arguments: of the request.

        Returns:
            The answer.
        """
        assert self.worker is not None
        return self.worker.ask(do, **arguments)

    def finish(self) -> None:
        """End its worker, and note the most memory it took and the CPU time it used between its turns."""
        found = self.ask("end")
        self.close()
        self.facts["peak_mib"] = max(found["peak_mib"], self.facts.get("peak_mib", 0.0))
        self.facts["idle_cpu_seconds"] = found["idle_cpu_seconds"] + self.facts.get("idle_cpu_seconds", 0.0)

    def drop(self, reason: object) -> None:
        """Let it take part no longer.

        Args:
            reason: why.
        """
        self.facts["skipped"] = str(reason)
        self.close()

    def close(self) -> None:
        """End its worker."""
        if self.worker is not None:
            self.worker.close()
            self.worker = None

    def cold_command(self) -> list[str]:
        """Build the command of a process that starts, labels one sentence and ends.

        Returns:
            Ours is `valence classify`; for a peer a process that imports that peer alone.
        """
        options = classify_options(self.contender.key, self.model.folder)
        if options is not None:
            return [sys.executable, "-m", "valence", "classify", *options, _SENTENCE]
        return Worker.once("open", **self._opening())

    def _opening(self) -> dict[str, str]:
        return {
            "key": self.contender.key,
            "checkpoint": str(self.model.checkpoint),
            "prepared": str(self.model.folder),
            "text": _SENTENCE,
        }


def choose_model(name: str, work: Path, checkpoint: Path | None) -> Model:
    """Find a model.

    Args:
        name: "random", "default", or a folder.
        work: where models are prepared.
        checkpoint: the weights of the default model; None if there are none.

    Returns:
        The model.

    Raises:
        InputError: if it cannot take part.
    """
    if name == RANDOM:
        return Model(RANDOM, "DistilBERT of the usual shape, random weights", None, work / RANDOM, True)
    key, title = (DEFAULT, "the default model") if name == DEFAULT else 2 * (_name_of_folder(name),)
    source = checkpoint if name == DEFAULT else Path(name)
    prepared = work / key
    if source is not None:
        folder = ModelFolder(source.expanduser(), str(source))
        if not folder.weight_files:
            raise InputError(f"{source}: expected a folder with weights, found none")
        if len(folder.labels or ()) < 2:
            raise InputError(f"{source}: expected a classifier of two classes or more with names in config.json")
        prepared = work / f"{key}-{fingerprint(folder.weight_files)[:12]}"  # other weights are never mistaken for these
    return Model(key, title, source, prepared, source is not None)


def _name_of_folder(path: str) -> str:
    name = Path(path).expanduser().resolve().name
    return f"{name} (folder)" if name in ("", DEFAULT, RANDOM) else name


def enter(
    model: Model,
    chosen: Sequence[Contender],
    missing: dict[str, str],
    calibration: str,
    say: Say,
) -> list[Entrant]:
    """Prepare everybody for a model.

    Args:
        model: the model.
        chosen: who can take part.
        missing: who cannot, and why.
        calibration: the file of texts for static quantisation.
        say: told what is being done.

    Returns:
        Everybody, those included that had to be left out.
    """
    model.folder.mkdir(parents=True, exist_ok=True)
    if model.has_weights:
        say(f"{model.key}: writing the checkpoint in fp32")
        source = None if model.source is None else str(model.source)
        model.facts["parameters"] = ask_once("write", source=source, target=str(model.checkpoint))["parameters"]
        config = ModelFolder(model.checkpoint, model.key).config
        model.facts |= {
            "operations_per_token": product_operations(config),
            "least_operations_per_token": product_operations(config, first_token_alone=True),
            "random": model.source is None,
        }
    entrants = [Entrant(model, contender) for contender in chosen if model.key == DEFAULT or contender.key != EMBEDDED]
    for entrant in entrants:
        if not model.has_weights and entrant.contender.key != EMBEDDED:
            entrant.drop("the package holds engines of the default model, not its weights; --checkpoint names them")
            continue
        say(f"{entrant.name}: preparing")
        try:
            found = ask_once(
                "prepare",
                key=entrant.contender.key,
                checkpoint=str(model.checkpoint),
                prepared=str(model.folder),
                calibration=calibration,
                random=model.source is None,
            )
        except ContenderError as problem:
            entrant.drop(problem)
            say(f"{entrant.name} is out: {problem}")
        else:
            entrant.facts["prepare_seconds"] = found["seconds"]
    return entrants + [Entrant(model, CONTENDERS[key], {"skipped": reason}) for key, reason in missing.items()]
