"""Array of 1 MiB, made and dropped."""
import multiprocessing, time

TIMES = 100
first = multiprocessing.Array('B', 1 << 20)
start = time.perf_counter()
for _ in range(TIMES):
    multiprocessing.Array('B', 1 << 20)
print((time.perf_counter() - start) / TIMES * 1e9)
