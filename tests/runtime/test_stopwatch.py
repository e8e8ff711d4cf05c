"""The stopwatch: whole milliseconds that add up, CPU time and not waiting, null and not zero."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.stopwatch import Slice, Stopwatch


class Clock:
    """A CPU clock that a test moves."""

    def __init__(self):
        self.nanoseconds = 0

    def __call__(self):
        return self.nanoseconds


@given(slices=st.lists(st.integers(0, 5_000_000), max_size=50))
def test_the_sum_over_slices_never_drifts_by_a_millisecond(slices):
    clock = Clock()
    watch = Stopwatch(read=clock)
    measured = 0
    for nanoseconds in slices:
        watch.start()
        clock.nanoseconds += nanoseconds
        measured += watch.stop().milliseconds

    assert 0 <= sum(slices) - measured * 1_000_000 < 1_000_000


def test_what_happens_between_slices_is_not_measured():
    clock = Clock()
    watch = Stopwatch(read=clock)
    clock.nanoseconds = 9_000_000
    watch.start()
    clock.nanoseconds += 2_000_000

    assert watch.stop().milliseconds == 2


def test_waiting_is_not_compute_and_working_is():
    watch = Stopwatch()
    watch.start()
    deadline = time.process_time() + 0.02
    while time.process_time() < deadline:
        pass

    assert watch.stop().milliseconds >= 19


def test_what_was_not_measured_is_null_and_says_why():
    assert Slice(milliseconds=1) == Slice(
        milliseconds=1,
        gpu_milliseconds=None,
        gpu_method="unavailable",
        energy_millijoules=None,
        energy_source="unavailable",
    )


def test_slices_do_not_overlap():
    watch = Stopwatch()
    with pytest.raises(RuntimeError, match="no slice"):
        watch.stop()
    watch.start()
    with pytest.raises(RuntimeError, match="already"):
        watch.start()
