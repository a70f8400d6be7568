"""A whole run: who takes part, what is found, what is left out."""

import dataclasses
import json
import shutil

import pytest

from valence.benchmark.contenders import CONTENDERS, choose_contenders
from valence.benchmark.entrants import Entrant, choose_model
from valence.benchmark.pool import ContenderError, Worker, ask_once
from valence.benchmark.run import Settings, _start_anew, run_benchmark
from valence.benchmark.turns import Row, label_all
from valence.benchmark.workloads import read_workloads
from valence.errors import DataError, InputError, ModelNotFoundError

TINY = "classifier"


def rows(report, workload, key, mode="list"):
    return [
        row
        for row in report["rows"]
        if (row["model"], row["workload"], row["key"], row["mode"]) == (TINY, workload, key, mode)
    ]


@pytest.mark.slow
def test_every_row_of_a_contender_is_there(report):
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    found = {(row["key"], row["mode"]) for row in report["rows"] if (row["model"], row["workload"]) == (TINY, "short")}
    assert found == {(key, mode) for key in ("transformers", "valence-onnx-fp32") for mode in CONTENDERS[key].modes}


@pytest.mark.slow
def test_the_same_weights_in_fp32_give_the_same_answers(report):
    for workload in ("short", "long"):
        for row in report["rows"]:
            if (row["model"], row["workload"]) == (TINY, workload):
                assert row["agreement"]["labels"] == 1
                assert row["agreement"]["largest_difference"] < 1e-5
    accuracies = {row["accuracy"] for row in report["rows"] if (row["model"], row["workload"]) == (TINY, "short")}
    assert len(accuracies) == 1


@pytest.mark.slow
def test_figures_follow_from_the_times(report):
    (pipeline,) = rows(report, "short", "transformers")
    (ours,) = rows(report, "short", "valence-onnx-fp32")
    assert pipeline["ratios"] == {TINY: 1.0}
    assert ours["ratios"][TINY] == pytest.approx(pipeline["seconds"] / ours["seconds"])
    assert ours["texts_per_second"] == pytest.approx(40 / ours["seconds"])
    assert ours["fastest_seconds"] <= ours["seconds"] <= ours["slowest_seconds"]
    assert ours["tokens_per_second"] / ours["texts_per_second"] == pytest.approx(
        report["workloads"]["short"]["tokens"][TINY] / 40
    )


@pytest.mark.slow
def test_the_default_model_is_compared_with_the_pipeline_of_another(report):
    (embedded,) = [row for row in report["rows"] if row["model"] == "default" and row["workload"] == "long"]
    assert set(embedded["ratios"]) == {TINY}
    assert "agreement" not in embedded


@pytest.mark.slow
def test_single_texts_cold_starts_and_memory(report):
    found = {(single["key"], single["tokens"]) for single in report["singles"] if single["model"] == TINY}
    assert found == {(key, n) for key in ("transformers", "valence-onnx-fp32") for n in (8, 64)}
    assert all(0 < single["p50_ms"] <= single["p99_ms"] for single in report["singles"])
    for contender in report["contenders"]:
        if "skipped" not in contender:
            assert contender["cold"]["seconds"] > 0
            assert contender["cold"]["peak_mib"] > 20
            assert contender["peak_mib"] > 20
            assert contender["idle_cpu_seconds"] >= 0


@pytest.mark.slow
def test_who_cannot_take_part_is_listed_with_the_reason(report):
    skipped = {
        found["key"]: found["skipped"]
        for found in report["contenders"]
        if found["model"] == "default" and "skipped" in found
    }
    assert set(skipped) == {"transformers", "valence-onnx-fp32"}
    assert "--checkpoint" in skipped["transformers"]


def test_an_unknown_contender():
    with pytest.raises(InputError, match="no contender is called fastest-one; there are: transformers, "):
        choose_contenders(["fastest-one"])


def test_a_package_that_is_not_installed(monkeypatch):
    monkeypatch.setattr("valence.benchmark.contenders.find_spec", lambda name: None if name == "ctranslate2" else name)
    able, missing = choose_contenders([])
    assert missing == {
        "ctranslate2-fp32": "not installed: ctranslate2",
        "ctranslate2-int8": "not installed: ctranslate2",
    }
    assert {contender.key for contender in able} == set(CONTENDERS) - set(missing)


def test_the_pipeline_always_takes_part():
    able, missing = choose_contenders(["valence-embedded"])
    assert {contender.key for contender in able} | set(missing) == {"transformers", "valence-embedded"}


def test_a_file_of_texts_that_is_not_there(tmp_path):
    with pytest.raises(DataError, match=r"sst2/dev\.tsv: no such file; --data names the folder"):
        run_benchmark(Settings(("random",), tmp_path / "nowhere", tmp_path), print)


@pytest.mark.parametrize("name", ["no/such/folder", "empty"])
def test_a_model_that_is_not_there(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelNotFoundError):
        choose_model(name, tmp_path, None)


def test_a_model_without_weights(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(InputError, match="expected a folder with weights"):
        choose_model(str(tmp_path), tmp_path, None)


def test_models_are_told_apart(tiny_classifier, tmp_path, data):
    first, second = (shutil.copytree(tiny_classifier, tmp_path / place / "same") for place in ("a", "b"))
    with pytest.raises(InputError, match="two models are called same"):
        run_benchmark(Settings((str(first), str(second)), data, tmp_path / "work", ("valence-native",)), print)
    path = second / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    found = [choose_model(str(folder), tmp_path, None) for folder in (first, second)]
    assert found[0].folder != found[1].folder
    named_default = shutil.copytree(tiny_classifier, tmp_path / "default")
    assert choose_model(str(named_default), tmp_path, None).key == "default (folder)"


@pytest.mark.slow
def test_a_request_that_fails_says_why_and_the_worker_lives_on(tmp_path):
    worker = Worker()
    try:
        with pytest.raises(ContenderError, match="no such model folder"):
            worker.ask("open", key="valence-onnx-fp32", checkpoint="", prepared=str(tmp_path), text="hello")
        assert worker.ask("end")["peak_mib"] > 0
    finally:
        worker.close()


@pytest.mark.slow
def test_a_worker_that_dies(tiny_classifier, tmp_path, data):
    model = choose_model(str(tiny_classifier), tmp_path, None)
    entrants = [Entrant(model, CONTENDERS["valence-embedded"]) for _ in range(2)]
    texts = tmp_path / "texts.json"
    texts.write_text(json.dumps(["good film", "bad film"]))
    said = []
    try:
        for entrant in entrants:
            entrant.start()
        entrants[0].worker.kill()
        done = label_all([Row(entrant, "list") for entrant in entrants], str(texts), (2, 8), 1, 2, said.append)
        assert [row.entrant for row in done] == [entrants[1]]
        assert "its process ended" in entrants[0].facts["skipped"]
        assert len(done[0].answers) == 2
        assert any("is out" in line for line in said)
    finally:
        for entrant in entrants:
            entrant.close()


@pytest.mark.slow
def test_what_keeps_memory_for_every_shape_starts_anew(tiny_classifier, tmp_path):
    model = choose_model(str(tiny_classifier), tmp_path, None)
    embedded = CONTENDERS["valence-embedded"]
    entrants = [Entrant(model, dataclasses.replace(embedded, compiles_shapes=keeps)) for keeps in (True, False)]
    try:
        for entrant in entrants:
            entrant.start()
        before = [entrant.worker for entrant in entrants]
        _start_anew(entrants, True, lambda line: None)
        assert [entrant.worker is old for entrant, old in zip(entrants, before, strict=True)] == [False, True]
        peak = entrants[0].facts["peak_mib"]
        for entrant in entrants:
            entrant.finish()
            assert entrant.worker is None
        assert entrants[0].facts["peak_mib"] >= peak > 20
    finally:
        for entrant in entrants:
            entrant.close()


@pytest.mark.slow
def test_random_weights_are_the_same_every_time(tmp_path):
    from valence.folder import ModelFolder

    for name in "ab":
        parameters = ask_once("write", source=None, target=str(tmp_path / name))["parameters"]
        assert 66e6 < parameters < 68e6
    assert ModelFolder(tmp_path / "a", "a").weights_hash() == ModelFolder(tmp_path / "b", "b").weights_hash()


def test_classes_of_the_data_are_matched_to_names_by_number(data):
    short, long = read_workloads(data)
    assert {*short.labels, *long.labels} == {"NEGATIVE", "POSITIVE"}
    assert (len(short.texts), len(long.texts)) == (40, 12)
    assert [len(workload.texts) for workload in read_workloads(data, quick=True)] == [40, 8]
