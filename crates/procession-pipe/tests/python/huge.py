# A frame whose length needs the long form, then one whose length does not, in that form, then the
# announcement of a long one.
where, size = sys.argv[1:]
size = int(size)
connection = Client(address(where))
head = connection._recv(12).getvalue()
assert head == struct.pack("!iQ", -1, size), head
assert connection._recv(1).getvalue() == b"\0"
connection.close()
connection = Client(address(where))
connection._send(struct.pack("!iQ", -1, 5) + b"short")
connection._send(struct.pack("!iQ", -1, size))
say("done")
