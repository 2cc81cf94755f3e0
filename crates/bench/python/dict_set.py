"""A manager's dict, set of 64 bytes."""
import multiprocessing, time

SETS = 20_000
VALUE = bytes(64)
if __name__ == "__main__":
    with multiprocessing.Manager() as manager:
        entries = manager.dict({key: VALUE for key in range(1000)})
        start = time.perf_counter()
        for i in range(SETS):
            entries[i % 1000] = VALUE
        print((time.perf_counter() - start) / SETS * 1e9)
