"""Queue, 100 items put, then 100 got; an item."""
import multiprocessing, time

ROUNDS = 200
MANY = 100

queue = multiprocessing.get_context("fork").SimpleQueue()
start = time.perf_counter()
for _ in range(ROUNDS):
    for _ in range(MANY):
        queue.put(b"7" * 64)
    for _ in range(MANY):
        queue.get()
print((time.perf_counter() - start) / ROUNDS / MANY * 1e9)
