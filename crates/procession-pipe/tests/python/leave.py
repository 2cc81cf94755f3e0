# Leaves the handshake after so many frames, or, after all six, the connection inside a frame; once
# for each of the given numbers of frames.
role, where, secret, manner, *numbers = sys.argv[1:]
halves = [mpc.answer_challenge, mpc.deliver_challenge]
if role == "client":
    meet = lambda: Client(address(where))
else:
    halves.reverse()
    meet = listen(where, "").accept
for frames in map(int, numbers):
    connection = meet()
    leaver = Leaver(connection, frames, manner)
    try:
        for half in halves:
            half(leaver, key(secret))
        leave_inside_a_frame(connection, manner)
    except Leaving:
        pass
