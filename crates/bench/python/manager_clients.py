"""Calls of a manager's value by as many processes at once as the argument says."""
import multiprocessing, sys, time

CLIENTS = int(sys.argv[1])
CALLS = 10_000 // CLIENTS


def work(gate, ready, value):
    ready.append(1)
    gate.wait()
    for _ in range(CALLS):
        value.value


if __name__ == "__main__":
    multiprocessing.set_start_method("fork")
    with multiprocessing.Manager() as manager:
        gate, ready, value = manager.Event(), manager.list(), manager.Value("i", 7)
        clients = [multiprocessing.Process(target=work, args=(gate, ready, value)) for _ in range(CLIENTS)]
        for client in clients:
            client.start()
        while len(ready) < CLIENTS:
            time.sleep(0.001)
        start = time.perf_counter()
        gate.set()
        for client in clients:
            client.join()
        print((time.perf_counter() - start) / (CALLS * CLIENTS) * 1e9)
