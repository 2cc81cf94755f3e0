"""Value, made and dropped."""
import multiprocessing, time

TIMES = 2_000
first = multiprocessing.Value('Q', 7)
start = time.perf_counter()
for _ in range(TIMES):
    multiprocessing.Value('Q', 7)
print((time.perf_counter() - start) / TIMES * 1e9)
