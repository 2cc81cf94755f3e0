"""Pipe, a stream of messages of 1 MiB."""
import multiprocessing, time

MESSAGES = 300


def produce(end):
    message = b"7" * (1 << 20)
    for _ in range(MESSAGES + 1):
        end.send_bytes(message)


fork = multiprocessing.get_context("fork")
here, there = fork.Pipe()
process = fork.Process(target=produce, args=(there,))
process.start()
here.recv_bytes()
start = time.perf_counter()
for _ in range(MESSAGES):
    here.recv_bytes()
print((time.perf_counter() - start) / MESSAGES * 1e9)
process.join()
