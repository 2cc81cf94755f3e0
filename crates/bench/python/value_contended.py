"""Value += 1 under its lock, two processes."""
import multiprocessing, time

COUNT = 100_000


def count(value):
    for _ in range(COUNT):
        with value.get_lock():
            value.value += 1


def other(value, ready, go):
    ready.set()
    go.wait()
    count(value)


fork = multiprocessing.get_context("fork")
value, ready, go = fork.Value("q", 0), fork.Event(), fork.Event()
process = fork.Process(target=other, args=(value, ready, go))
process.start()
ready.wait()
start = time.perf_counter()
go.set()
count(value)
process.join()
print((time.perf_counter() - start) / COUNT / 2 * 1e9)
assert value.value == 2 * COUNT
