# Echoes what comes, then sends frames of the given sizes and checks their echo.
# Arguments: role, address, key, sizes.
role, where, secret, *sizes = sys.argv[1:]
if role == "client":
    connection = Client(address(where), authkey=key(secret))
else:
    connection = listen(where, secret).accept()
frames = [pattern(int(size)) for size in sizes]
for frame in frames:
    got = connection.recv_bytes()
    assert got == frame, (len(got), len(frame))
    connection.send_bytes(got)
for frame in frames:
    connection.send_bytes(frame)
    got = connection.recv_bytes()
    assert got == frame, (len(got), len(frame))
connection.close()
say("done")
