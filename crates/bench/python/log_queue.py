"""A worker's record, through QueueHandler to the parent's file."""
import logging, logging.handlers, multiprocessing, tempfile, time

RECORDS = 8_000


def work(queue, level, costs):
    root = logging.getLogger()
    root.addHandler(logging.handlers.QueueHandler(queue))
    root.setLevel(logging.INFO)
    start = time.perf_counter()
    for number in range(RECORDS):
        root.log(level, "record number %d", number)
    costs.put((time.perf_counter() - start) / RECORDS * 1e9)


fork = multiprocessing.get_context("fork")
queue, costs = fork.Queue(), fork.Queue()
process = fork.Process(target=work, args=(queue, logging.INFO, costs))
process.start()
with tempfile.NamedTemporaryFile() as file:
    handler = logging.FileHandler(file.name)
    listener = logging.handlers.QueueListener(queue, handler)
    listener.start()
    print(costs.get())
    process.join()
    listener.stop()
