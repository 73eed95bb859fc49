import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from daemon.ahead import in_groups, map_ahead


def run(
    items: range, *, depth: int = 4, budget: int = 1000, weight: int = 1
) -> tuple[list[int], int]:
    lock, waiting, most = threading.Lock(), 0, 0

    def work(item: int) -> int:
        nonlocal waiting, most
        with lock:
            waiting += 1
            most = max(most, waiting)
        return item * 2

    results = []
    with ThreadPoolExecutor(8) as pool:
        for result in map_ahead(
            pool, work, items, depth=depth, weigh=lambda _: weight, budget_bytes=budget
        ):
            with lock:
                waiting -= 1
            results.append(result)
    return results, most


def test_order_is_kept() -> None:
    assert run(range(50))[0] == [n * 2 for n in range(50)]


def test_no_more_than_depth_items_wait() -> None:
    assert run(range(50), depth=3)[1] <= 4


def test_no_more_than_the_budget_waits_but_for_one_large_item() -> None:
    assert run(range(50), budget=2, weight=1)[1] <= 3
    assert run(range(5), budget=2, weight=10)[0] == [0, 2, 4, 6, 8]


def test_an_error_reaches_the_consumer() -> None:
    with ThreadPoolExecutor(2) as pool, pytest.raises(ZeroDivisionError):
        list(map_ahead(pool, lambda n: 1 // n, [1, 0], depth=2, weigh=lambda _: 1, budget_bytes=9))


def test_groups() -> None:
    assert list(in_groups(range(5), 2)) == [[0, 1], [2, 3], [4]]
