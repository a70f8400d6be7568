"""Progress: one shape, whoever tells it, and bars that draw any of it."""

import inspect
import time

import pytest

import valence
from valence.cli.progress import progress_bars, progress_count
from valence.data.examples import read_examples
from valence.data.sources import find_source
from valence.folder import ModelFolder
from valence.progress import OnProgress, silent, step


def texts(path, count):
    path.write_text("text\tlabel\n" + "".join(f"{'good' if n % 3 else 'bad'} {n}\t{n % 2}\n" for n in range(count)))
    return read_examples(find_source(str(path), "eval"), known=("NEGATIVE", "POSITIVE"))


def evaluating(model, path, on_progress):
    from valence.evaluation.evaluate import evaluate

    evaluate(valence.load(model), texts(path / "a.tsv", 5000), resamples=1, on_progress=on_progress)


def comparing(model, path, on_progress):
    from valence.evaluation.compare import Contestant, compare

    sides = [Contestant(valence.load(model), ModelFolder(model, "m")) for _ in range(2)]
    compare(*sides, texts(path / "a.tsv", 20), resamples=1, rounds=1, on_progress=on_progress)


def explaining(model, path, on_progress):
    from valence.explain.leave_one_out import leave_one_out

    leave_one_out(valence.load(model), "the film was good", on_progress=on_progress)


def auditing(model, path, on_progress):
    from valence.audit.run import run_audit

    run_audit(ModelFolder(model, "m"), probes=["kept-labels"], on_progress=on_progress)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("work", [evaluating, comparing, explaining, auditing])
@pytest.mark.slow
def test_it_grows_to_its_end(tiny_classifier, tmp_path, work):
    told: list[tuple[int, int, str]] = []
    work(tiny_classifier, tmp_path, lambda done, total, what="": told.append((done, total, what)))
    done = [entry[0] for entry in told]
    assert done == sorted(done)
    assert {(total, what) for _, total, what in told} == {(done[-1], "")}


def test_every_shape_is_the_same():
    from valence.cli.training_monitor import TrainingMonitor

    expected = list(inspect.signature(OnProgress.__call__).parameters)[1:]
    for one in (silent, step(silent, "a"), TrainingMonitor.on_asked):
        parameters = inspect.signature(one).parameters
        assert [name for name in parameters if name != "self"] == expected
        assert parameters["what"].default == ""


def test_a_step_has_its_own_name():
    told = []
    on_progress = step(lambda *all_of_it: told.append(all_of_it), "outer")
    on_progress(1, 2)
    step(on_progress, "inner")(2, 2, "innermost")
    assert told == [(1, 2, "outer"), (2, 2, "outer")]


def test_a_bar_for_each_piece(capsys):
    with progress_bars("auditing") as on_progress:
        on_progress(0, 10, "names")
        on_progress(10, 10, "names")
        on_progress(3, 4, "countries")
        on_progress(4, 8, "countries")  # there was more than was thought
    shown = capsys.readouterr()
    assert shown.out == ""
    assert [shown.err.count(name) for name in ("auditing: names", "auditing: countries")] == [1, 1]
    with progress_bars() as on_progress:
        on_progress(1, 2)


def test_quick_work_shows_nothing(capsys):
    with progress_bars("explaining", after_seconds=60) as on_progress:
        on_progress(1, 2)
        on_progress(2, 2)
    assert capsys.readouterr().err == ""
    with progress_bars("explaining", after_seconds=0.01) as on_progress:
        time.sleep(0.02)
        on_progress(1, 2)
    assert "explaining" in capsys.readouterr().err


def test_a_count_is_for_who_watches(capsys):
    with progress_count("classifying", "texts") as on_progress:
        on_progress(1, 0)
    assert capsys.readouterr().err == ""
