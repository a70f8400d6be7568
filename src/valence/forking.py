"""Forks: a process is forked between calls into native code, never during one, and its child knows that it is one.

A forked process inherits the memory, and of the threads only the one that forked. A lock that another thread held at
that moment stays locked in the child for ever, and pools of threads (those of Rust, OpenMP, ONNX Runtime and OpenVINO)
wait for threads that are gone. So whatever runs native code that may hold locks, or waits for a lock of ours, does it
within `native_calls`, for which a fork waits; and what has threads of its own is told in the child to forget them.
"""

import ctypes
import os
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any, Generic, Protocol, Self, TypeVar, overload

__all__ = ["cached_property", "forget_in_children", "is_forked", "keep_for_ever", "native_calls"]

_Value = TypeVar("_Value")
_LONGEST_WAIT = 60.0  # seconds; a call takes far less, and a fork that waits for ever would be no better


class _NativeCalls:
    """The threads that are inside native code; to be used in a `with` statement, which may be nested."""

    def __init__(self) -> None:
        self._changed = threading.Condition()  # its lock is reentrant: a signal's handler may fork
        self._depths: dict[int, int] = {}  # by thread
        self._forks = 0  # that wait

    def __enter__(self) -> None:
        me = threading.get_ident()
        with self._changed:
            while self._forks and me not in self._depths:
                self._changed.wait()
            self._depths[me] = self._depths.get(me, 0) + 1

    def __exit__(self, *_: object) -> None:
        me = threading.get_ident()
        with self._changed:
            depth = self._depths.pop(me) - 1
            if depth:
                self._depths[me] = depth
            elif self._forks:
                self._changed.notify_all()

    def before_fork(self) -> None:
        """Wait until no other thread is inside; none enters before the fork is over."""
        self._changed.acquire()
        self._forks += 1
        end = time.monotonic() + _LONGEST_WAIT
        while self._depths.keys() - {threading.get_ident()} and (left := end - time.monotonic()) > 0:
            self._changed.wait(left)

    def after_fork_in_parent(self) -> None:
        """Let the others go on."""
        self._forks -= 1
        self._changed.notify_all()
        self._changed.release()

    def after_fork_in_child(self) -> None:
        """Forget the other threads."""
        me = threading.get_ident()
        self._changed = threading.Condition()
        self._depths = {thread: depth for thread, depth in self._depths.items() if thread == me}
        self._forks = 0


class _Forgetful(Protocol):
    def forget_threads(self) -> None: ...


class cached_property(Generic[_Value]):  # noqa: N801  # as the one of functools
    """A property that is computed once, without the lock that `functools.cached_property` has in Python 3.11.

    Args:
        compute: of the object.
    """

    def __init__(self, compute: Callable[[Any], _Value]) -> None:
        self._compute = compute
        self.__doc__ = compute.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...

    @overload
    def __get__(self, instance: object, owner: type) -> _Value: ...

    def __get__(self, instance: object | None, owner: type) -> Self | _Value:
        if instance is None:
            return self
        # Where two threads compute it at once, both get the value of the one that comes first.
        value: _Value = instance.__dict__.setdefault(self._name, self._compute(instance))
        return value


native_calls = _NativeCalls()
_forgetful: "weakref.WeakSet[_Forgetful]" = weakref.WeakSet()
_process = os.getpid()


def is_forked() -> bool:
    """Tell whether this process was forked from one that had imported this module.

    Returns:
        Whether it was.
    """
    return os.getpid() != _process


def forget_in_children(thing: _Forgetful) -> None:
    """Have a method called in every process that is forked from this one.

    Args:
        thing: whose `forget_threads` is called, as long as it lives.
    """
    _forgetful.add(thing)


def keep_for_ever(thing: object) -> None:
    """Let nothing ever close what belongs to threads that are gone, for even that would wait for them.

    Args:
        thing: any object.
    """
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))


def _after_fork_in_child() -> None:
    native_calls.after_fork_in_child()
    for thing in tuple(_forgetful):
        thing.forget_threads()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=native_calls.before_fork,
        after_in_parent=native_calls.after_fork_in_parent,
        after_in_child=_after_fork_in_child,
    )
