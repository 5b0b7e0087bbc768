"""Two items at a time: results in order, really at the same time, and no new item after an error."""

import threading

import pytest

from linkcore.parallel import side_by_side


def test_results_come_in_the_order_of_the_items() -> None:
    first_may_end = threading.Event()

    def work(item: int) -> int:
        if item == 0:
            assert first_may_end.wait(60)
        else:
            first_may_end.set()  # so the second ends before the first
        return item

    assert list(side_by_side(work, range(5))) == [0, 1, 2, 3, 4]


def test_no_more_items_run_at_a_time_than_asked_for() -> None:
    running, most, lock = [0], [0], threading.Lock()
    both = threading.Barrier(2)

    def work(item: int) -> int:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        both.wait(60)
        with lock:
            running[0] -= 1
        return item

    assert list(side_by_side(work, range(8), at_once=2)) == list(range(8))
    assert most == [2]


def test_with_one_at_a_time_items_run_one_after_the_other() -> None:
    begun: list[int] = []

    def work(item: int) -> int:
        begun.append(item)
        return len(begun)

    assert list(side_by_side(work, range(4), at_once=1)) == [1, 2, 3, 4]
    assert begun == [0, 1, 2, 3]


def test_after_an_error_no_further_item_begins() -> None:
    begun: list[int] = []
    seen = threading.Event()

    def work(item: int) -> int:
        begun.append(item)
        if item == 1:
            raise ZeroDivisionError
        if item > 1:
            seen.wait(60)  # until the error was raised
        return item

    results = side_by_side(work, range(100), at_once=1)
    assert next(results) == 0
    threading.Timer(0.1, seen.set).start()
    with pytest.raises(ZeroDivisionError):
        next(results)
    assert len(begun) <= 3
