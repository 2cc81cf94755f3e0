# Meets somebody with another key.
role, where, secret = sys.argv[1:]
try:
    if role == "client":
        Client(address(where), authkey=key(secret))
    else:
        listen(where, secret).accept()
except AuthenticationError:
    say("refused")
