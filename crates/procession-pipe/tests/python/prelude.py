import os, signal, struct, sys
from multiprocessing import AuthenticationError
from multiprocessing import connection as mpc
from multiprocessing.connection import Client, Listener

# Nobody stays behind if the test is ended.
signal.alarm(150)

def say(*what):
    print(*what, flush=True)

def wait():
    assert sys.stdin.readline()

def address(text):
    if text.startswith("@"):
        return "\0" + text[1:]
    if "/" in text:
        return text
    host, _, port = text.rpartition(":")
    return (host.strip("[]"), int(port))

def family(where):
    if isinstance(where, str):
        return "AF_UNIX"
    return "AF_INET6" if ":" in where[0] else "AF_INET"

# Python's own takes every network address for one of IPv4, so that a client cannot use another.
mpc.address_type = family

def text(where):
    if isinstance(where, bytes):
        where = where.decode()
    if isinstance(where, str):
        return where.replace("\0", "@")
    host, port = where[:2]
    return ("[%s]:%d" if ":" in host else "%s:%d") % (host, port)

def pattern(size):
    block = bytes(range(251))
    return (block * (size // 251 + 1))[:size]

def key(text):
    return b"" if text == "(empty)" else text.encode() or None

def listen(where, secret):
    where = address(where)
    listener = Listener(where, family(where), authkey=key(secret))
    say(text(listener.address))
    return listener

class Leaving(Exception):
    pass

class Leaver:
    """A connection whose owner leaves after so many frames, in the given manner."""

    def __init__(self, connection, frames, manner):
        self.connection, self.frames, self.manner = connection, frames, manner

    def step(self):
        if self.frames == 0:
            self.leave()
        self.frames -= 1

    def leave(self):
        if self.manner == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        self.connection.close()
        raise Leaving

    def send_bytes(self, *args):
        self.step()
        return self.connection.send_bytes(*args)

    def recv_bytes(self, *args):
        self.step()
        return self.connection.recv_bytes(*args)

def leave_inside_a_frame(connection, manner):
    connection._send(struct.pack("!i", 1000) + b"only the beginning")
    try:
        Leaver(connection, 0, manner).leave()
    except Leaving:
        pass
