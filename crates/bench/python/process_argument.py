"""A process with 64 MiB as its argument."""
import multiprocessing, time

STARTS = 5


def take(message):
    pass


def start():
    process = context.Process(target=take, args=(message,))
    process.start()
    process.join()


if __name__ == "__main__":
    message = b"7" * (64 << 20)
    context = multiprocessing.get_context("forkserver")
    start()
    begin = time.perf_counter()
    for _ in range(STARTS):
        start()
    print((time.perf_counter() - begin) / STARTS * 1e9)
