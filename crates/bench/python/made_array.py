"""Array of 1 KiB, made and dropped."""
import multiprocessing, time

TIMES = 2_000
first = multiprocessing.Array('B', 1 << 10)
start = time.perf_counter()
for _ in range(TIMES):
    multiprocessing.Array('B', 1 << 10)
print((time.perf_counter() - start) / TIMES * 1e9)
