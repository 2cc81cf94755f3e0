"""Queue, 64 bytes there and back."""
import multiprocessing, time

TRIPS = 5_000


def echo(there, back):
    for _ in range(TRIPS + 1):
        back.put(there.get())


fork = multiprocessing.get_context("fork")
there, back = fork.Queue(), fork.Queue()
process = fork.Process(target=echo, args=(there, back))
process.start()
there.put(b"7" * 64)
back.get()
start = time.perf_counter()
for _ in range(TRIPS):
    there.put(b"7" * 64)
    back.get()
print((time.perf_counter() - start) / TRIPS * 1e9)
process.join()
