"""Pool of four, made and ended."""
import multiprocessing, time

POOLS = 10
fork = multiprocessing.get_context("fork")
start = time.perf_counter()
for _ in range(POOLS):
    pool = fork.Pool(4)
    pool.terminate()
    pool.join()
print((time.perf_counter() - start) / POOLS * 1e9)
