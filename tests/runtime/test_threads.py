"""Never more threads than processors: the limits that containers set, and what an engine makes of them."""

import subprocess
import sys
from pathlib import Path

import pytest

from valence.processors import available_cpus, cgroup_cpus
from valence.runtime.threads import thread_count


def system(root: Path, membership: str, files: dict[str, str]) -> Path:
    """A folder with /proc/self/cgroup and files below /sys/fs/cgroup."""
    groups = {f"sys/fs/cgroup/{name}": content for name, content in files.items()}
    for name, content in {"proc/self/cgroup": membership, **groups}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    return root


@pytest.mark.parametrize(
    ("files", "limit"),
    [
        ({}, None),
        ({"cpu.max": "max 100000\n"}, None),
        ({"cpu.max": "150000 100000\n"}, 1.5),
        ({"pod/cpu.max": "50000 100000\n"}, 0.5),
        ({"pod/cpu.max": "max 100000\n", "cpu.max": "300000 100000\n"}, 3),
        ({"pod/box/cpu.max": "400000 100000\n", "pod/cpu.max": "200000 100000\n"}, 2),
        ({"pod/box/cpu.max": "100000 100000\n", "pod/cpu.max": "200000 100000\n"}, 1),
        ({"elsewhere/cpu.max": "100000 100000\n"}, None),
        ({"pod/cpu.max": "nonsense\n"}, None),
        ({"pod/cpu.max": "100000 0\n"}, None),
        ({"pod/cpu.max": ""}, None),
    ],
)
def test_version_2(tmp_path, files, limit):
    assert cgroup_cpus(system(tmp_path, "0::/pod/box\n", files)) == limit


@pytest.mark.parametrize("mount", ["cpu", "cpu,cpuacct"])
@pytest.mark.parametrize(("group", "limit"), [("docker/1f", 2.5), ("", 4)])
def test_version_1(tmp_path, mount, group, limit):
    root = system(tmp_path, "5:memory:/x\n4:cpu,cpuacct:/docker/1f\n0::/\n", {})
    folder = root / "sys" / "fs" / "cgroup" / mount / group
    folder.mkdir(parents=True)
    (folder / "cpu.cfs_quota_us").write_text(f"{int(limit * 100_000)}\n")
    (folder / "cpu.cfs_period_us").write_text("100000\n")
    assert cgroup_cpus(root) == limit
    (folder / "cpu.cfs_quota_us").write_text("-1\n")
    assert cgroup_cpus(root) is None


def test_no_control_groups(tmp_path):
    assert cgroup_cpus(tmp_path) is None


@pytest.mark.parametrize("membership", ["", "nonsense\n", "0::\n", "0::/../../etc\n", "\udcff"])
def test_odd_membership(tmp_path, membership):
    path = tmp_path / "proc" / "self" / "cgroup"
    path.parent.mkdir(parents=True)
    path.write_bytes(membership.encode("utf-8", "surrogateescape"))
    assert cgroup_cpus(tmp_path) is None


def test_a_wish_is_capped():
    assert thread_count(None) == available_cpus() >= 1
    assert thread_count(1) == 1
    assert thread_count(10_000) == available_cpus()


@pytest.mark.parametrize(("limit", "cpus"), [(0.2, 1), (1.0, 1), (1.2, 2), (None, 3), (100.0, 3)])
def test_a_share_counts_as_a_processor(monkeypatch, limit, cpus):
    monkeypatch.setattr("valence.processors.cgroup_cpus", lambda: limit)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 4, 5})
    monkeypatch.setattr("os.process_cpu_count", lambda: 3, raising=False)
    assert available_cpus() == cpus


CODE = """
import os, sys, threading, time, valence
classifier = valence.load(sys.argv[1])
most = 0
def watch():
    global most
    while True:
        most = max(most, len(os.listdir("/proc/self/task")))
        time.sleep(0.0005)
before = len(os.listdir("/proc/self/task"))
threading.Thread(target=watch, daemon=True).start()
classifier("good film")
classifier([f"{'good ' * (n % 50)} film {n}" for n in range(3000)])
print(classifier.engine.sessions, before, most, len(os.listdir("/proc/self/task")))
"""


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="counts threads as Linux lists them")
@pytest.mark.slow
def test_one_processor_means_one_thread(tiny_classifier):
    """Bound to one processor nothing starts a pool: only the thread that tokenises ahead comes, and goes."""
    done = subprocess.run(
        ["taskset", "-c", "0", sys.executable, "-c", CODE, str(tiny_classifier)],
        capture_output=True, text=True, timeout=60, check=True, env={"PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    sessions, before, most, after = map(int, done.stdout.split())
    assert sessions == 1
    assert most <= before + 2  # the watcher, and the thread that tokenises ahead
    assert after == before + 1  # the watcher
