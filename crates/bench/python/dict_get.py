"""A manager's dict, get of 64 bytes."""
import multiprocessing, time

GETS = 20_000
if __name__ == "__main__":
    with multiprocessing.Manager() as manager:
        entries = manager.dict({key: bytes(64) for key in range(1000)})
        start = time.perf_counter()
        for i in range(GETS):
            entries[i % 1000]
        print((time.perf_counter() - start) / GETS * 1e9)
