"""Fetches a document by TLS 1.0 with an RSA key exchange, by tlslite-ng: a TLS that is neither OpenSSL's nor rustls's.

fetch.py HOST PORT CHAIN KEY CIPHER [VERSION] writes "SUITE\n" and then the HTTP answer.
"""
import socket
import sys

from tlslite.api import HandshakeSettings, TLSConnection, X509CertChain, parsePEMKey

host, port, chain, key, cipher = sys.argv[1:6]
version = (3, int(sys.argv[6])) if len(sys.argv) > 6 else (3, 1)

settings = HandshakeSettings()
settings.minVersion = settings.maxVersion = version
settings.cipherNames = [cipher]
settings.macNames = ["sha"]
settings.keyExchangeNames = ["rsa"]

certificates = X509CertChain()
certificates.parsePemList(open(chain).read())
private = parsePEMKey(open(key).read(), private=True)

connection = TLSConnection(socket.create_connection((host, int(port)), timeout=20))
connection.handshakeClientCert(certificates, private, settings=settings)
print(connection.getVersionName(), connection.getCipherName(), flush=True)
connection.write(b"GET /whatever HTTP/1.0\r\n\r\n")
answer = b""
while True:
    try:
        octets = connection.read(max=4096)
    except Exception:
        break
    if not octets:
        break
    answer += octets
sys.stdout.buffer.write(answer)
