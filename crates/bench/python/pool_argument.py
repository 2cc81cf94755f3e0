"""Pool of two, 64 MiB as an argument."""
import multiprocessing, time

CALLS = 3
pool = multiprocessing.get_context("fork").Pool(2)
pool.map(abs, range(100), 1)
arguments = [bytes(64 << 20) for _ in range(CALLS)]
start = time.perf_counter()
for argument in arguments:
    pool.apply(len, (argument,))
print((time.perf_counter() - start) / CALLS * 1e9)
