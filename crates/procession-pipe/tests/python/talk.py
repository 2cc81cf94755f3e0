# Echoes what comes, then sends frames of the given sizes and checks their echo.
# Arguments: role, address, key, sizes.
role, where, secret, *sizes = sys.argv[1:]
if role == "client":
    connection = Client(address(where), authkey=key(secret))
else:
    connection = listen(where, secret).accept()
for size in map(int, sizes):
    got = connection.recv_bytes()
    assert got == pattern(size), (len(got), size)
    connection.send_bytes(got)
for size in map(int, sizes):
    connection.send_bytes(pattern(size))
    got = connection.recv_bytes()
    assert got == pattern(size), (len(got), size)
connection.close()
say("done")
