"""Array, set an element."""
import multiprocessing, time

SETS = 300_000
array = multiprocessing.Array("i", 16)
start = time.perf_counter()
for i in range(SETS):
    array[i % 16] = i
print((time.perf_counter() - start) / SETS * 1e9)
