"""Pipe, a stream of objects of 1 MiB."""
import multiprocessing, time

MESSAGES = 300


def produce(end):
    message = b"7" * (1 << 20)
    for _ in range(MESSAGES + 1):
        end.send(message)


fork = multiprocessing.get_context("fork")
here, there = fork.Pipe()
process = fork.Process(target=produce, args=(there,))
process.start()
here.recv()
start = time.perf_counter()
for _ in range(MESSAGES):
    here.recv()
print((time.perf_counter() - start) / MESSAGES * 1e9)
process.join()
