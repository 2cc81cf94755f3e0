"""Pool of two, apply."""
import multiprocessing, time

CALLS = 5_000


def following(n):
    return n + 1


pool = multiprocessing.get_context("fork").Pool(2)
pool.map(following, range(100), 1)
start = time.perf_counter()
for n in range(CALLS):
    pool.apply(following, (n,))
print((time.perf_counter() - start) / CALLS * 1e9)
