"""A TLS handshake in memory and one over a socket pair, with the certificate that is given."""

import socket
import ssl
import sys
import threading


def contexts(pem):
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(pem)
    client = ssl.create_default_context(cafile=pem)
    return server, client


def in_memory(server, client):
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(to_client, to_server, server_hostname="localhost"),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    left = list(ends)
    while left:
        for end in list(left):
            try:
                end.do_handshake()
                left.remove(end)
            except ssl.SSLWantReadError:
                pass
    ends[0].write(b"across memory")
    return ends[1].read(), ends[0].version(), ends[0].getpeercert()["subjectAltName"]


def over_sockets(server, client):
    one, other = socket.socketpair()
    received = []

    def serve():
        with server.wrap_socket(one, server_side=True) as stream:
            received.append(stream.recv(100))
            stream.sendall(received[0].upper())

    thread = threading.Thread(target=serve)
    thread.start()
    with client.wrap_socket(other, server_hostname="localhost") as stream:
        stream.sendall(b"over a socket pair")
        answer = stream.recv(100)
    thread.join()
    return answer


def main(pem):
    server, client = contexts(pem)
    print(in_memory(server, client))
    print(over_sockets(server, client))
    stranger = ssl.create_default_context()
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    end = stranger.wrap_bio(to_client, to_server, server_hostname="localhost")
    peer = server.wrap_bio(to_server, to_client, server_side=True)
    for step in (end, peer, end):
        try:
            step.do_handshake()
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLCertVerificationError as error:
            print(error.verify_message)
    assert len({ssl.RAND_bytes(16) for _ in range(100)}) == 100


if __name__ == "__main__":
    main(sys.argv[1])
