# Frames whose length needs the long form: announced only, or sent whole. Then one whose length
# does not need it, in that form.
where, size, whole = sys.argv[1:]
size = int(size)
connection = Client(address(where))
if whole == "whole":
    connection.send_bytes(bytes(size))
    got = connection.recv_bytes()
    assert len(got) == size and not any(got[::4096]), len(got)
else:
    head = connection._recv(12).getvalue()
    assert head == struct.pack("!iQ", -1, size), head
    assert connection._recv(1).getvalue() == b"\0"
    connection.close()
    connection = Client(address(where))
    connection._send(struct.pack("!iQ", -1, 5) + b"short")
    connection._send(struct.pack("!iQ", -1, size))
say("done")
