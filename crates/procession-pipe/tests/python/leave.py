# Leaves the handshake after so many frames, or, after all six, the connection inside a frame; once
# for each of the given numbers of frames. Who is to be killed is a copy of this process.
role, where, secret, manner, *numbers = sys.argv[1:]
halves = [mpc.answer_challenge, mpc.deliver_challenge]
if role == "client":
    meet = lambda: Client(address(where))
else:
    halves.reverse()
    meet = listen(where, "").accept

def leave_after(frames):
    connection = meet()
    leaver = Leaver(connection, frames, manner)
    try:
        for half in halves:
            half(leaver, key(secret))
        leave_inside_a_frame(connection, manner)
    except Leaving:
        pass

for frames in map(int, numbers):
    copy = os.fork() if manner == "kill" else 0
    if copy == 0:
        leave_after(frames)
    else:
        assert os.waitpid(copy, 0)[1] == signal.SIGKILL
