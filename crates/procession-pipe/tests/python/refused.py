# Meets somebody with another key, at each of the given addresses in turn.
role, secret, *places = sys.argv[1:]
for where in places:
    try:
        if role == "client":
            Client(address(where), authkey=key(secret))
        else:
            listen(where, secret).accept()
    except AuthenticationError:
        say("refused")
