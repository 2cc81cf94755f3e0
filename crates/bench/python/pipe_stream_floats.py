"""Pipe, a stream of arrays of 1 MiB."""
import array, multiprocessing, time

MESSAGES = 300


def produce(end):
    message = array.array("d", [7.5]) * (1 << 17)
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
