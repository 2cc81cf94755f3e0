"""Pipe, 64 bytes there and back."""
import multiprocessing, time

TRIPS = 5_000


def echo(end):
    for _ in range(TRIPS + 1):
        end.send(end.recv())


fork = multiprocessing.get_context("fork")
here, there = fork.Pipe()
process = fork.Process(target=echo, args=(there,))
process.start()
here.send(b"7" * 64)
here.recv()
start = time.perf_counter()
for _ in range(TRIPS):
    here.send(b"7" * 64)
    here.recv()
print((time.perf_counter() - start) / TRIPS * 1e9)
process.join()
