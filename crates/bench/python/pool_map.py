"""Pool of two, map of a small function over a million items, an item."""
import multiprocessing, time

ITEMS = 1_000_000


def following(n):
    return n + 1


pool = multiprocessing.get_context("fork").Pool(2)
pool.map(following, range(100), 1)
start = time.perf_counter()
pool.map(following, range(ITEMS))
print((time.perf_counter() - start) / ITEMS * 1e9)
