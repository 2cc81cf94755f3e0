"""Lock, two processes contending."""
import multiprocessing, time

PAIRS = 100_000


def contend(lock):
    for _ in range(PAIRS):
        lock.acquire()
        lock.release()


def other(lock, ready, go):
    ready.set()
    go.wait()
    contend(lock)


fork = multiprocessing.get_context("fork")
lock, ready, go = fork.Lock(), fork.Event(), fork.Event()
process = fork.Process(target=other, args=(lock, ready, go))
process.start()
ready.wait()
start = time.perf_counter()
go.set()
contend(lock)
process.join()
print((time.perf_counter() - start) / PAIRS / 2 * 1e9)
