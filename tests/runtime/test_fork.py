"""Every engine in forked processes, as Gunicorn with preload, Celery and `multiprocessing.Pool` make them."""

import json
import os

import pytest

from every_engine import LOAD, script, skip_unless

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

KINDS = ["native", "onnx", "openvino", "torch", "masked words", "next sentence"]
SITUATIONS = """
import faulthandler, json, multiprocessing, os, signal, threading, time, traceback
import numpy as np
engine, folder, runs = sys.argv[1], sys.argv[2], int(sys.argv[3])
SECONDS = 20
model = load(engine, folder)
expected, found = [], {}

def right(scores, wanted):
    return len(scores) == len(wanted) and np.allclose(scores, wanted, atol=1e-5)

PARENT = os.getpid()

def check():
    if engine == "openvino" and os.getpid() != PARENT:
        return refused()
    scores = one(model), many(model)
    return not expected or all(map(right, scores, expected))

def refused():
    # OpenVINO's threads may leave something behind that a forked process would wait for: it says so, at once.
    from valence.errors import EngineError
    begun = time.monotonic()
    for job in (lambda: one(model), lambda: many(model), lambda: load(engine, folder)):
        try:
            job()
        except EngineError as problem:
            if "forked" not in str(problem) or "\\n" in str(problem):
                return False
        else:
            return False
    return time.monotonic() - begun < 5

def child(job):
    # A child that takes too long says where it is, and dies of the second alarm; its exit code tells.
    process = os.fork()
    if process:
        return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    faulthandler.register(signal.SIGALRM, all_threads=True, chain=True)
    signal.alarm(SECONDS)
    status = 5
    try:
        status = 0 if job() else 3
    except BaseException:
        traceback.print_exc()
    os._exit(status)

def situation(name, job, repeat=runs):
    found[name] = [job() for _ in range(repeat)]

situation("only loaded", lambda: child(check))
one(model)
situation("after one text", lambda: child(check))
expected[:] = one(model), many(model)
situation("after a batch", lambda: child(check))

def load_again():
    global model
    if engine == "openvino":
        return refused()
    model = load(engine, folder)
    return check()

situation("loaded again in the child", lambda: child(load_again))
situation("a child of a child", lambda: child(lambda: check() and child(check) == 0))
situation("a child of a child, before it did anything", lambda: child(lambda: child(check) == 0))

def from_thread():
    codes = []
    thread = threading.Thread(target=lambda: codes.append(child(check)))
    thread.start()
    thread.join()
    return codes[0]

situation("forked by a thread", from_thread)

def threads_in_child():
    good = []
    threads = [threading.Thread(target=lambda: good.append(check())) for _ in range(2)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    return good == [True, True]

situation("threads in the child", lambda: child(threads_in_child))

if hasattr(model, "stream"):
    def open_stream():
        stream = model.stream(TEXTS, window=32)
        first = [next(stream).score for _ in range(5)]
        code = child(refused if engine == "openvino" else lambda: right(first + [p.score for p in stream], expected[1]))
        return code or (0 if right(first + [p.score for p in stream], expected[1]) else 4)
    situation("a stream is open", open_stream)

stop = threading.Event()
def work():
    while not stop.is_set():
        many(model)
workers = [threading.Thread(target=work) for _ in range(2)]
for worker in workers: worker.start()
situation("while threads are at work", lambda: child(check))
stop.set()
for worker in workers: worker.join()

def in_pool():
    with multiprocessing.get_context("fork").Pool(2) as pool:
        return 0 if all(pool.map(job_of_pool, range(4))) else 3
def job_of_pool(_):
    return check()
situation("multiprocessing.Pool", in_pool)

def leaves():
    # As a worker of Gunicorn does: sys.exit, not os._exit.
    process = os.fork()
    if process:
        for _ in range(SECONDS * 20):
            done, status = os.waitpid(process, os.WNOHANG)
            if done:
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.05)
        os.kill(process, 9)
        os.waitpid(process, 0)
        return "hangs at its end"
    sys.exit(0 if check() else 3)
situation("the child ends by sys.exit", leaves)
situation("the parent is well", lambda: 0 if check() else 3)
print(json.dumps(found))
"""


EACH_KIND = pytest.mark.parametrize(
    ("kind", "parallelism"),
    [*((kind, None) for kind in KINDS), ("native", "true"), ("onnx", "true"), ("native", "false")],
)


@pytest.mark.slow
@EACH_KIND
def test_every_situation(kind, parallelism, request, runs):
    skip_unless(kind)
    folder = request.getfixturevalue("raw_model" if kind in ("masked words", "next sentence") else "every_engine")
    variables = {} if parallelism is None else {"TOKENIZERS_PARALLELISM": parallelism}
    output = script(LOAD + SITUATIONS, kind, folder, runs, seconds=100 + 60 * runs, **variables)
    found = json.loads(output)
    assert found == {name: [0] * runs for name in found}
    assert len(found) >= 12


@pytest.mark.long("test_every_situation")
@EACH_KIND
def test_every_situation_many_times(kind, parallelism, request, runs):
    test_every_situation(kind, parallelism, request, runs)


def test_a_gpu_of_the_parent_is_refused_in_one_line(monkeypatch):
    torch = pytest.importorskip("torch")
    from valence.errors import EngineError
    from valence.runtime.torch_engine import check_fork

    monkeypatch.setattr(torch.cuda, "_is_in_bad_fork", lambda: True)
    check_fork("cpu")
    with pytest.raises(
        EngineError, match=r"cannot use a GPU in a forked process after its parent did: start .* 'spawn'"
    ):
        check_fork("cuda")


IMPORTED_FIRST = """
import os, sys
import torch
LOAD
engine, folder = sys.argv[1], sys.argv[2]
model = load(engine, folder)
expected = one(model)
process = os.fork()
if process:
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]))
from valence.errors import EngineError
for job in (lambda: one(model), lambda: many(model), lambda: load(engine, folder)):
    try:
        job()
    except EngineError as problem:
        assert "import valence first" in str(problem) and "\\n" not in str(problem)
    else:
        os._exit(3)
os._exit(0)
"""


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["torch", "masked words", "next sentence"])
def test_pytorch_imported_before_valence_is_refused_in_one_line(kind, request):
    """MKL has its lists then, in which a forked process may search for ever."""
    torch = pytest.importorskip("torch")
    if not torch.backends.mkl.is_available():
        pytest.skip("this PyTorch has no MKL")
    folder = request.getfixturevalue("every_engine" if kind == "torch" else "raw_model")
    script(IMPORTED_FIRST.replace("LOAD", LOAD), kind, folder, seconds=60, MKL_DISABLE_FAST_MM="")


@pytest.mark.slow
def test_valence_imported_before_pytorch_needs_no_variable(every_engine):
    code = (
        "import valence, torch\n"
        + LOAD
        + """
import os
model = load("torch", sys.argv[1])
expected = one(model)
process = os.fork()
if process:
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]))
os._exit(0 if one(model) == expected else 3)
"""
    )
    pytest.importorskip("torch")
    script(code, every_engine, seconds=60)
