"""Queue, one producer, one consumer, 64 bytes."""
import multiprocessing, time

ITEMS = 100_000


def produce(queue):
    for _ in range(ITEMS):
        queue.put(b"7" * 64)


fork = multiprocessing.get_context("fork")
queue = fork.Queue(10_000)
process = fork.Process(target=produce, args=(queue,))
process.start()
queue.get()
start = time.perf_counter()
for _ in range(ITEMS - 1):
    queue.get()
print((time.perf_counter() - start) / (ITEMS - 1) * 1e9)
process.join()
