"""Start + join, forkserver."""
import multiprocessing, os, time

STARTS = 50


def start():
    process = context.Process(target=os.getpid)
    process.start()
    process.join()


if __name__ == "__main__":
    context = multiprocessing.get_context("forkserver")
    start()
    begin = time.perf_counter()
    for _ in range(STARTS):
        start()
    print((time.perf_counter() - begin) / STARTS * 1e9)
