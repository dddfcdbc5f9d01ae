# SPDX-License-Identifier: GPL-2.0-or-later
"""transfer.py serve ADDRESS | send ADDRESS CONNECTIONS BYTES: checks a transfer by its hash."""

import hashlib
import os
import socket
import sys
import threading
import time

PORT = 5001


def answer(conn):
    digest = hashlib.sha256()
    while data := conn.recv(65536):
        digest.update(data)
    conn.sendall(digest.digest())
    conn.close()


def serve(address):
    with socket.create_server((address, PORT)) as server:
        while True:
            threading.Thread(target=answer, args=(server.accept()[0],), daemon=True).start()


def connect(address):
    for _ in range(100):
        try:
            return socket.create_connection((address, PORT), timeout=60)
        except ConnectionRefusedError:
            time.sleep(0.1)
    raise TimeoutError("nobody serves")


def send(address, size, results):
    data = os.urandom(size)
    with connect(address) as conn:
        conn.sendall(data)
        conn.shutdown(socket.SHUT_WR)
        got = b""
        while more := conn.recv(32):
            got += more
    results.append(got == hashlib.sha256(data).digest())


def main():
    if sys.argv[1] == "serve":
        serve(sys.argv[2])
    count, size = int(sys.argv[3]), int(sys.argv[4])
    results = []
    threads = [threading.Thread(target=send, args=(sys.argv[2], size, results))
               for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return 0 if results == [True] * count else 1


if __name__ == "__main__":
    sys.exit(main())
