"""The card of the embedded default: rendered from its reports, and true."""

import json
import re
import subprocess
import sys

import pytest

from one_thread import usual_environment
from valence.card.render import render
from valence.card.sources import read_sources
from valence.hub import find_model


def check(*arguments):
    """Run `valence card default --check`."""
    command = [sys.executable, "-m", "valence", "card", "default", "--check", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=800, check=False, env=usual_environment())


def test_it_is_what_its_reports_give():
    folder = find_model("default")
    assert (folder.path / "README.md").read_text(encoding="utf-8") == render(read_sources(folder))


def test_it_shows_both_maps():
    folder = find_model("default")
    text = (folder.path / "README.md").read_text(encoding="utf-8")
    for name in ("map.png", "map-before.png"):
        assert f"]({name})" in text
        assert (folder.path / name).read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_figure_of_it_holds(shared):
    """All of them are measured again; how fast the engines are on a busy machine is not for a test to decide."""
    pytest.importorskip("torch")
    if not (find_model("default").path.parents[2] / "models" / "default").is_dir():
        pytest.skip("needs the checkout: the speed is that beside the checkpoint")
    done = check("--data", shared / "data", "--json")
    found = json.loads(done.stdout)["findings"]
    assert len(found) > 200
    timed = [
        one for one in found if re.search(r"^comparison-reference\..*(texts_per_second|speed_ratio)$", one["name"])
    ]
    assert len(timed) == 3
    for one in found:
        if one not in timed:
            assert one["outcome"] in ("measured again", "equal to its report"), one
    outcomes = {one["name"]: one["outcome"] for one in found}
    for name in (
        "evaluation.sst2-dev.accuracy",
        "evaluation.imdb-sample.f1",
        "bias.countries.standard_deviation_mean",
        "bias.kept-labels.kept",
        "bias.winobias.mean_difference",
        "model.parameters",
    ):
        assert outcomes[name] == "measured again", name
    assert done.returncode == 0 or any(one["outcome"] == "fails" for one in timed)
