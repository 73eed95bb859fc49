"""A map that works ahead of its consumer, in order, within a budget of bytes."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def map_ahead(
    pool: ThreadPoolExecutor,
    function: Callable[[Item], Result],
    items: Iterable[Item],
    *,
    depth: int,
    weigh: Callable[[Item], int],
    budget_bytes: int,
) -> Generator[Result, None, None]:
    """`function` of every item, in order; closing it gives up what has not begun.

    At most `depth` items and (but for a single item) `budget_bytes` are under way or wait to be
    taken.
    """
    pending: deque[tuple[Future[Result], int]] = deque()
    weight = 0
    try:
        for item in items:
            size = weigh(item)
            while pending and (len(pending) >= depth or weight + size > budget_bytes):
                future, done = pending.popleft()
                weight -= done
                yield future.result()
            pending.append((pool.submit(function, item), size))
            weight += size
        while pending:
            yield pending.popleft()[0].result()
    finally:
        for future, _ in pending:  # the consumer gave up
            future.cancel()


def in_groups(
    items: Iterable[Item],
    size: int,
    *,
    weigh: Callable[[Item], int] = lambda _: 0,
    budget_bytes: int = 1,
) -> Iterator[list[Item]]:
    """Lists of `size` items, or of fewer that reach `budget_bytes`; the last may be shorter."""
    group: list[Item] = []
    weight = 0
    for item in items:
        group.append(item)
        weight += weigh(item)
        if len(group) >= size or weight >= budget_bytes:
            yield group
            group, weight = [], 0
    if group:
        yield group
