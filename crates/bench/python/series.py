# What a pool's calls cost, as one of a series: `series.py CONDITION LIBRARY CALL WORKERS ITEMS`.
# Prints the nanoseconds of an item, the peak memory of this process in bytes, and that of a worker.
import os
import resource
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import Pool


def work(n):
    return n + 1


def fail(n):
    raise ValueError("as asked")


def pid(_):
    time.sleep(0.01)
    return os.getpid()


def private(pid):
    with open(f"/proc/{pid}/smaps_rollup") as file:
        return 1024 * sum(int(line.split()[1]) for line in file if line.startswith("Pss:"))


def failed(call, n):
    try:
        call(n)
    except ValueError:
        pass


def run(library, pool, call, items):
    numbers = range(items)
    if library == "Pool":
        if call == "map":
            pool.map(work, numbers)
        elif call == "map, chunks of one":
            pool.map(work, numbers, 1)
        elif call == "imap":
            for _ in pool.imap(work, numbers):
                pass
        elif call == "apply":
            for n in numbers:
                pool.apply(work, (n,))
        elif call == "apply, failing":
            for n in numbers:
                failed(lambda n: pool.apply(fail, (n,)), n)
    elif call == "map":
        # Its chunks are of one if nothing is said.
        for _ in pool.map(work, numbers, chunksize=max(1, items // 8)):
            pass
    elif call == "map, chunks of one":
        for _ in pool.map(work, numbers):
            pass
    elif call == "apply":
        for n in numbers:
            pool.submit(work, n).result()
    elif call == "apply, failing":
        for n in numbers:
            failed(lambda n: pool.submit(fail, n).result(), n)
    else:
        sys.exit(f"no {call} in {library}")


if __name__ == "__main__":
    condition, library, call, workers, items = sys.argv[1:]
    workers, items = int(workers), int(items)
    if condition == "one processor":
        os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
    with Pool(workers) if library == "Pool" else ProcessPoolExecutor(workers) as pool:
        pids = set(pool.map(pid, range(4 * workers)))
        before = time.perf_counter_ns()
        run(library, pool, call, items)
        took = time.perf_counter_ns() - before
        memory = [private(pid) for pid in pids]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(took / items, peak, sum(memory) / len(memory))
