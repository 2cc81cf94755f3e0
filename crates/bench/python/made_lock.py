"""Lock, made and dropped."""
import multiprocessing, time

TIMES = 20_000
first = multiprocessing.Lock()
start = time.perf_counter()
for _ in range(TIMES):
    multiprocessing.Lock()
print((time.perf_counter() - start) / TIMES * 1e9)
