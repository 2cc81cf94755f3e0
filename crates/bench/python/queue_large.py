"""Queue, one producer, one consumer, 64 MiB."""
import multiprocessing, time

ITEMS = 10


def produce(queue):
    item = b"7" * (64 << 20)
    for _ in range(ITEMS + 1):
        queue.put(item)


fork = multiprocessing.get_context("fork")
queue = fork.Queue(2)
process = fork.Process(target=produce, args=(queue,))
process.start()
queue.get()
start = time.perf_counter()
for _ in range(ITEMS):
    queue.get()
print((time.perf_counter() - start) / ITEMS * 1e9)
process.join()
