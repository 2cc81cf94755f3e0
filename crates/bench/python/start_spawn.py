"""Start + join, spawn."""
import multiprocessing, os, time

STARTS = 20


def start():
    process = context.Process(target=os.getpid)
    process.start()
    process.join()


if __name__ == "__main__":
    context = multiprocessing.get_context("spawn")
    start()
    begin = time.perf_counter()
    for _ in range(STARTS):
        start()
    print((time.perf_counter() - begin) / STARTS * 1e9)
