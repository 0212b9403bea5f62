"""A web server on this machine that serves one file, with the faults of real ones; no mock of the client."""

import re
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


@dataclass
class Web:
    """What the server does with the next request; a list is used up one request at a time.

    codes: answered before the content. breaks: after so many bytes the connection is closed.
    """

    content: bytes
    etag: str = '"one"'
    codes: list[int] = field(default_factory=list)
    breaks: list[int] = field(default_factory=list)
    ranges: bool = True
    length: int | None = None  # a wrong one
    told: bool = True  # whether the length is told
    total_told: bool = True  # whether a part says how large the whole is
    endless: bool = False
    pause_s: float = 0.0  # between pieces
    piece: int = 2**16
    location: str = ""
    retry_after: str = ""
    password: str = ""  # the Authorization header that is asked for
    requests: list[dict[str, str]] = field(default_factory=list)
    sent: int = 0
    port: int = 0
    certificate: Path | None = None  # with its key, in one PEM file; makes it an https server

    def url(self, path: str = "v.mp4", user: str = "") -> str:
        return f"{'https' if self.certificate else 'http'}://{user}127.0.0.1:{self.port}/{path}"


@contextmanager
def serve(web: Web) -> Iterator[Web]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            web.requests.append({"path": self.path, **dict(self.headers.items())})
            code = web.codes.pop(0) if web.codes else 200
            if web.password and self.headers.get("Authorization") != web.password:
                code = 401
            if web.location and not self.path.startswith("/moved"):
                code = 302
            if code != 200:
                self.send_response(code)
                self.send_header("Location", web.location)
                self.send_header("Retry-After", web.retry_after)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            start, size = self.start(), len(web.content)
            if start >= size and size:
                self.send_error(416)
                return
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size if web.total_told else '*'}")
            if web.told:
                self.send_header("Content-Length", str((web.length or size) - start))
            if web.etag:
                self.send_header("ETag", web.etag)
            self.end_headers()
            body = web.content[start:]
            if web.breaks:
                body = body[: web.breaks.pop(0)]
            self.pour(body)

        def start(self) -> int:
            found = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
            return int(found[1]) if found and web.ranges else 0

        def pour(self, body: bytes) -> None:
            try:
                while True:
                    for at in range(0, len(body), web.piece):
                        self.wfile.write(body[at : at + web.piece])
                        web.sent += len(body[at : at + web.piece])
                        time.sleep(web.pause_s)
                    if not web.endless:
                        return
            except OSError:  # the client has had enough
                pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.block_on_close = False
    if web.certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(web.certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    web.port = server.server_port
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield web
    finally:
        server.shutdown()
        server.server_close()


def write_certificate(path: Path) -> Path:
    """A certificate of 127.0.0.1 that it signs itself, with its key."""
    import datetime
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    return path
