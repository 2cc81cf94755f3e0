# Expects no handshake, and sends something. Arguments: address, key.
connection = listen(*sys.argv[1:]).accept()
connection.send_bytes(b"hello")
wait()
