"""Pool of two, imap_unordered, an item."""
import multiprocessing, time

ITEMS = 20_000


def following(n):
    return n + 1


pool = multiprocessing.get_context("fork").Pool(2)
pool.map(following, range(100), 1)
start = time.perf_counter()
list(pool.imap_unordered(following, range(ITEMS)))
print((time.perf_counter() - start) / ITEMS * 1e9)
