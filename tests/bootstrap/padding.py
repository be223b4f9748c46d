"""Sends RSA key exchanges whose padding is wrong in every way that has been an oracle, and says how the server answers.

padding.py HOST PORT CHAIN KEY ROUNDS writes a JSON object: by kind of padding, the alerts seen and the median time in
milliseconds from the client's last message to the alert. Equal alerts for all wrong kinds are what is asked for; times are
written down for the reader, since a machine that does other things at the same time cannot be held to them.
"""
import json
import os
import socket
import statistics
import sys
import time

from tlslite.api import HandshakeSettings, TLSConnection, X509CertChain, parsePEMKey
from tlslite.errors import TLSRemoteAlert
from tlslite.utils.rsakey import RSAKey

host, port, chain, key, rounds = sys.argv[1:6]
certificates = X509CertChain()
certificates.parsePemList(open(chain).read())
private = parsePEMKey(open(key).read(), private=True)


def nonzero(count):
    return bytearray(1 + octet % 255 for octet in os.urandom(count))


def padded(size, secret, first=(0, 2), zero=0):
    return bytearray(first) + nonzero(size - 3 - len(secret)) + bytearray([zero]) + secret


def early_zero(block):
    block[5] = 0
    return block


KINDS = {
    "right": lambda size, secret: padded(size, secret),
    "first octet": lambda size, secret: padded(size, secret, first=(1, 2)),
    "block type": lambda size, secret: padded(size, secret, first=(0, 1)),
    "no zero": lambda size, secret: padded(size, nonzero(48), zero=7),
    "zero too early": lambda size, secret: early_zero(padded(size, secret)),
    "secret too short": lambda size, secret: padded(size, secret[1:]),
    "secret too long": lambda size, secret: padded(size, bytearray([3]) + secret),
    "empty secret": lambda size, secret: padded(size, bytearray()),
    "wrong version": lambda size, secret: padded(size, bytearray([2, 2]) + secret[2:]),
}


def attempt(make):
    settings = HandshakeSettings()
    settings.minVersion = settings.maxVersion = (3, 1)
    settings.cipherNames = ["aes128"]
    settings.macNames = ["sha"]
    settings.keyExchangeNames = ["rsa"]
    sent = [0.0]

    def encrypt(self, secret):
        size = (self.n.bit_length() + 7) // 8
        block = make(size, bytearray(secret))
        number = pow(int.from_bytes(bytes(block), "big"), int(self.e), int(self.n))
        sent[0] = time.monotonic()
        return bytearray(number.to_bytes(size, "big"))

    public = {}
    for kind in RSAKey.__subclasses__() + [RSAKey]:
        public[kind] = kind.__dict__.get("encrypt")
        kind.encrypt = encrypt
    connection = TLSConnection(socket.create_connection((host, int(port)), timeout=20))
    try:
        connection.handshakeClientCert(certificates, private, settings=settings)
        return "accepted", 0.0
    except TLSRemoteAlert as alert:
        return f"alert {alert.description}", (time.monotonic() - sent[0]) * 1000
    except Exception as error:
        return type(error).__name__, (time.monotonic() - sent[0]) * 1000
    finally:
        for kind, own in public.items():
            if own is None:
                del kind.encrypt
            else:
                kind.encrypt = own
        connection.sock.close()


results = {name: ([], []) for name in KINDS}
for _ in range(int(rounds)):
    # In turn, so that what else the machine does falls on all of them.
    for name, make in KINDS.items():
        answer, took = attempt(make)
        results[name][0].append(answer)
        results[name][1].append(took)
json.dump(
    {name: {"answers": sorted(set(answers)), "median_ms": statistics.median(times)} for name, (answers, times) in results.items()},
    sys.stdout,
)
