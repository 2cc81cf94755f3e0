"""A manager's list, append."""
import multiprocessing, time

CALLS = 10_000
if __name__ == "__main__":
    multiprocessing.set_start_method("fork")
    with multiprocessing.Manager() as manager:
        items = manager.list()
        start = time.perf_counter()
        for i in range(CALLS):
            items.append(i)
        print((time.perf_counter() - start) / CALLS * 1e9)
