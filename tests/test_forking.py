"""A fork waits for native code, and leaves no lock behind."""

import os

import pytest

from every_engine import script

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

START = """
import os, signal, threading, time
from valence.forking import cached_property, is_forked, native_calls

def child(job):
    process = os.fork()
    if not process:
        signal.alarm(10)
        os._exit(0 if job() else 3)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])

def inside():
    with native_calls:
        return True
"""


EACH_SITUATION = pytest.mark.parametrize(
    "code",
    [
        # A fork waits for a thread that is inside, and the child finds its lock open.
        """
lock, entered = threading.Lock(), threading.Event()
def work():
    with native_calls, lock:
        entered.set()
        time.sleep(0.5)
thread = threading.Thread(target=work)
thread.start()
entered.wait()
assert child(lambda: lock.acquire(timeout=1) and inside() and is_forked()) == 0
assert not is_forked()
thread.join()
""",
        # Threads that come and go all the time do not keep it waiting.
        """
stop = threading.Event()
def work():
    while not stop.is_set():
        with native_calls, native_calls:
            time.sleep(0.02)
threads = [threading.Thread(target=work) for _ in range(4)]
for thread in threads: thread.start()
for _ in range(5):
    begin = time.monotonic()
    assert child(inside) == 0
    assert time.monotonic() - begin < 5
stop.set()
for thread in threads: thread.join()
""",
        # A signal's handler forks in the midst of a call of the same thread.
        """
codes = []
signal.signal(signal.SIGUSR1, lambda *_: codes.append(child(inside)))
with native_calls:
    signal.raise_signal(signal.SIGUSR1)
assert codes == [0] and inside()
""",
        # Several threads fork at once.
        """
codes = []
threads = [threading.Thread(target=lambda: codes.append(child(inside))) for _ in range(6)]
for thread in threads: thread.start()
for thread in threads: thread.join()
assert codes == [0] * 6
""",
        # A property is being computed by another thread.
        """
class Slow:
    @cached_property
    def value(self):
        time.sleep(0.5)
        return object()
slow = Slow()
thread = threading.Thread(target=lambda: slow.value)
thread.start()
time.sleep(0.1)
assert child(lambda: slow.value is slow.value) == 0
thread.join()
assert child(lambda: child(is_forked) == 0) == 0
""",
    ],
    ids=["a lock", "starving", "a signal", "many forks", "a property"],
)


@EACH_SITUATION
@pytest.mark.slow
def test_fork(code):
    script(START + code, seconds=60)


@pytest.mark.long("test_fork")
@EACH_SITUATION
def test_many_forks(code, runs):
    for _ in range(runs):
        test_fork(code)
