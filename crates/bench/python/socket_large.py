"""A socket, 64 MiB into fresh memory."""
import multiprocessing, socket, time

MESSAGES = 10
LEN = 64 << 20


def produce(end):
    message = b"7" * LEN
    for _ in range(MESSAGES + 1):
        end.sendall(message)


def receive(end):
    message = bytearray(LEN)
    view, at = memoryview(message), 0
    while at < LEN:
        at += end.recv_into(view[at:])


here, there = socket.socketpair()
process = multiprocessing.get_context("fork").Process(target=produce, args=(there,))
process.start()
receive(here)
start = time.perf_counter()
for _ in range(MESSAGES):
    receive(here)
print((time.perf_counter() - start) / MESSAGES * 1e9)
process.join()
