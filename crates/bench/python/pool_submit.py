"""Pool of two, all calls by apply_async, then all results, a call."""
import multiprocessing, time

CALLS = 20_000


def following(n):
    return n + 1


pool = multiprocessing.get_context("fork").Pool(2)
pool.map(following, range(100), 1)
start = time.perf_counter()
calls = [pool.apply_async(following, (n,)) for n in range(CALLS)]
for call in calls:
    call.get()
print((time.perf_counter() - start) / CALLS * 1e9)
