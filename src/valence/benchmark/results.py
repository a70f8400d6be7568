"""What `valence bench` measures, as its report holds it, and what workers answer."""

from typing import TypedDict

__all__ = [
    "Agreement",
    "Answer",
    "Cold",
    "ContenderFacts",
    "Floor",
    "MachineFacts",
    "ModelFacts",
    "Report",
    "RowFacts",
    "SingleFacts",
    "StreamReport",
    "StreamRun",
    "WorkloadFacts",
]


class Answer(TypedDict, total=False):
    """What a worker answers; each request has its part of this."""

    error: str
    parameters: int
    seconds: float
    each_seconds: list[float]
    answers: list[tuple[str, float]]
    peak_mib: float
    idle_cpu_seconds: float
    gops: float
    best_gops: float


class MachineFacts(TypedDict):
    """What was measured on."""

    processor: str | None
    family: str
    cores: int | None
    features: list[str]
    memory_gib: float | None
    system: str
    python: str


class ModelFacts(TypedDict, total=False):
    """A model."""

    title: str
    parameters: int
    operations_per_token: float
    least_operations_per_token: float
    random: bool


class WorkloadFacts(TypedDict):
    """Texts; their tokens by the key of the model."""

    title: str
    texts: int
    tokens: dict[str, int]


class Cold(TypedDict, total=False):
    """Processes that start, label one text and end."""

    seconds: float
    peak_mib: float
    runs: int


class ContenderFacts(TypedDict, total=False):
    """A contender with a model."""

    model: str
    key: str
    title: str
    ours: bool
    compiles_shapes: bool
    skipped: str
    cold: Cold
    load_seconds: float
    prepare_seconds: float
    peak_mib: float
    idle_cpu_seconds: float


class Agreement(TypedDict, total=False):
    """How answers differ from the baseline's; labels and probabilities where they mean something."""

    p99_logit_difference: float
    largest_logit_difference: float
    labels: float
    p99_difference: float
    largest_difference: float


class RowFacts(TypedDict, total=False):
    """A contender with a way of handing texts over."""

    workload: str
    model: str
    key: str
    title: str
    ours: bool
    mode: str
    documented: bool
    budget: int | None
    passes: int
    seconds: float
    fastest_seconds: float
    slowest_seconds: float
    first_seconds: float | None
    texts_per_second: float
    tokens_per_second: float
    accuracy: float
    ratios: dict[str, float]
    agreement: Agreement


class SingleFacts(TypedDict):
    """Calls with one text of a length."""

    model: str
    key: str
    title: str
    ours: bool
    tokens: int
    calls: int
    p50_ms: float
    p99_ms: float


class Floor(TypedDict, total=False):
    """The speed of the machine's int8 products alone."""

    shape: list[int]
    skipped: str
    gops: float
    best_gops: float


class Report(TypedDict, total=False):
    """The report of `valence bench`."""

    format: int
    machine: MachineFacts
    versions: dict[str, str]
    minutes: float
    quick: bool
    models: dict[str, ModelFacts]
    workloads: dict[str, WorkloadFacts]
    contenders: list[ContenderFacts]
    rows: list[RowFacts]
    singles: list[SingleFacts]
    floor: Floor


class StreamRun(TypedDict):
    """A process that streams texts."""

    texts: int
    tokens: int
    seconds: float
    texts_per_second: float
    peak_mib: float
    engine: str


class StreamReport(TypedDict):
    """The report of `valence bench --stream`."""

    format: int
    machine: MachineFacts
    versions: dict[str, str]
    few: StreamRun
    many: StreamRun
    difference_mib: float
