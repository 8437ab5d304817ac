"""rejoin-follow over TLS and through proxies. Arguments: names of the checks to run; none: all.

The peers: openssl's s_server, nginx, and Python's ssl where the connection has to end in a way of its own.
"""

import os
import socket
import sys
import tempfile

from harness import equal, expect, run
from tls_certificates import Certificates
from tls_nginx import nginx_client_certificate, nginx_restarts
from tls_peers import (DEADLINE, HEAD, NO_CONTENT, ConnectProxy, Follower, OpensslServer, Origin, Plain, chunk, events,
                       free_port)

ONCE = ("--max-attempts", "1", "--quiet")
CURSOR = "\r\nLast-Event-ID: {}\r\n"


def follow(bench, url, certificates, *flags, environment=None):
    return Follower(bench, url, "--cacert", certificates.ca, *flags, environment=environment)


# --- whom it trusts ---


def openssl_verified(bench, certificates):
    server = OpensslServer(bench, certificates.server)
    follower = follow(bench, server.url, certificates, "--max-events", "3")
    expect("\r\nAccept: text/event-stream\r\n" in server.request(), "the request:", server.request())
    expect("ALPN protocols selected: http/1.1" in server.output(), "the protocol:", server.output())
    server.send(HEAD + "\r\n" + events(1, 2))
    follower.has(2)
    server.send(events(3, 3))
    follower.finishes()
    equal(follower.seen(), [1, 2, 3], "events")


def openssl_closes(bench, certificates):
    """Its server of files says goodbye in TLS: then the end of a body without framing is no cut."""
    with open(os.path.join(bench.scratch, "stream"), "w", newline="") as file:
        file.write(HEAD + "\r\n" + events(1, 3))
    server = OpensslServer(bench, certificates.server, "-HTTP")
    follower = follow(bench, server.url, certificates)
    follower.until(lambda self: self.errors().count("dropped: ") >= 3, "three responses ended")
    equal(follower.stop(), 0, "exit code")
    equal(follower.seen(), [1, 2, 3], "events, the same in each response")
    ends = {line for line in follower.errors().splitlines() if line.startswith("dropped: ")}
    equal(ends, {"dropped: close_delimited, last event id '3'"}, "ends")


def openssl_restarts(bench, certificates):
    port = free_port()
    server = OpensslServer(bench, certificates.server, port=port)
    follower = follow(bench, server.url, certificates, "--max-events", "6")
    server.request()
    server.send(HEAD + "Transfer-Encoding: chunked\r\n\r\n" + chunk(events(1, 3)))
    follower.has(3)
    server.kill()
    follower.until(lambda self: "failed: connect: " in self.errors(), "it noticed that the server is away")
    expect("dropped: truncated" in follower.errors(), "the cut:", follower.errors())
    server = OpensslServer(bench, certificates.server, port=port)
    expect(CURSOR.format(3) in server.request(), "the request behind the restart:", server.request())
    server.send(HEAD + "Transfer-Encoding: chunked\r\n\r\n" + chunk(events(4, 6)))
    follower.finishes()
    equal(follower.seen(), [1, 2, 3, 4, 5, 6], "events")


def refusals(bench, certificates):
    for identity, reason in ((certificates.named, "tls: server certificate is for another host"),
                             (certificates.expired, "tls: server certificate is not valid now"),
                             (certificates.self_signed, "tls: server certificate is not trusted")):
        server = OpensslServer(bench, identity)
        follow(bench, server.url, certificates, *ONCE).refuses(reason)
        expect("GET" not in server.output(), "nothing was sent to it:", server.output())
        trusting = Follower(bench, server.url, "--insecure", "--max-events", "1", "--quiet")
        server.request()
        server.send(HEAD + "\r\n" + events(1, 1))
        equal(trusting.finishes(), "", "nothing on stderr with --insecure")
        equal(trusting.seen(), [1], "events with --insecure")


def trust(bench, certificates):
    origin = Origin((HEAD + "\r\n" + events(1, 1), "hold"), identity=certificates.server)
    untrusted = "tls: server certificate is not trusted"
    Follower(bench, origin.url, "--cacert", certificates.other_ca, *ONCE).refuses(untrusted)
    # The system's certificates: those that OpenSSL's variables name.
    system = {**os.environ, "SSL_CERT_FILE": certificates.other_ca, "SSL_CERT_DIR": bench.scratch}
    Follower(bench, origin.url, *ONCE, environment=system).refuses(untrusted)
    system["SSL_CERT_FILE"] = certificates.ca
    Follower(bench, origin.url, "--max-events", "1", environment=system).finishes()
    # The name is of the certificate's, not of the address.
    origin = Origin((HEAD + "\r\n" + events(1, 1), "hold"), identity=certificates.named)
    follow(bench, origin.url, certificates, *ONCE).refuses("tls: server certificate is for another host")
    follow(bench, origin.url, certificates, "--tls-name", "origin.test", "--max-events", "1").finishes()
    equal(len(origin.requests), 1, "requests")


def client_certificate(bench, certificates):
    own, foreign = certificates.client, certificates.foreign_client
    demanding = ("-CAfile", certificates.ca, "-Verify", "1", "-verify_return_error")
    # With TLS 1.3 the client is through before the server has looked: what it says then comes instead of a response.
    for version, phase, missing in (("-tls1_2", "tls", "handshake failure"), ("-tls1_3", "response", "certificate required")):
        server = OpensslServer(bench, certificates.server, *demanding, version)
        follow(bench, server.url, certificates, *ONCE).refuses(f"{phase}: ", f"alert {missing}")
        follow(bench, server.url, certificates, *ONCE, "--cert", foreign.certificate, "--key", foreign.key) \
            .refuses(f"{phase}: ", "alert unknown ca")
        expect("GET" not in server.output(), "nothing came through to it:", server.output())
        follower = follow(bench, server.url, certificates, "--cert", own.certificate, "--key", own.key, "--max-events", "1")
        server.request()
        server.send(HEAD + "\r\n" + events(1, 1))
        follower.finishes()
        equal(follower.seen(), [1], "events with a client certificate")


def wrong_files(bench, certificates):
    none = os.path.join(bench.scratch, "none.pem")
    own = certificates.client
    url = "https://localhost:1/"
    Follower(bench, url, "--cacert", none).refuses(none, "No such file", code=1)
    follow(bench, url, certificates, "--cert", none).refuses(none, "No such file", code=1)
    follow(bench, url, certificates, "--cert", own.certificate).refuses("key", own.certificate, code=1)
    follow(bench, url, certificates, "--cert", own.certificate, "--key", certificates.server.key).refuses("mismatch", code=1)
    follow(bench, url, certificates, "--key", own.key).refuses("certificate", own.key, code=1)


# --- ends ---


def cuts(bench, certificates):
    chunked = HEAD + "Transfer-Encoding: chunked\r\n\r\n"
    half = "20\r\nid: 4\ndata: lost"
    rest = (HEAD + f"Content-Length: {len(events(4, 5))}\r\n\r\n" + events(4, 5), "notify"), (NO_CONTENT, "notify")
    for first, reason in (((chunked + chunk(events(1, 3)) + half, "cut"), "truncated"),
                          ((chunked + chunk(events(1, 3)) + half, "notify"), "truncated"),
                          ((chunked + chunk(events(1, 3)), "cut"), "truncated"),
                          ((HEAD + "\r\n" + events(1, 3), "cut"), "truncated"),
                          ((HEAD + "\r\n" + events(1, 3), "notify"), "close_delimited"),
                          ((chunked + chunk(events(1, 3)) + "0\r\n\r\n", "cut"), "complete"),
                          ((HEAD + f"Content-Length: {len(events(1, 3))}\r\n\r\n" + events(1, 3), "cut"), "complete")):
        origin = Origin(first, *rest, identity=certificates.server)
        follower = follow(bench, origin.url, certificates)
        follower.finishes()
        equal(follower.seen(), [1, 2, 3, 4, 5], f"events around {first}")
        dropped = [line for line in follower.errors().splitlines() if line.startswith("dropped: ")]
        expect(len(dropped) == 2 and dropped[0].startswith(f"dropped: {reason}") and dropped[1].startswith("dropped: complete"),
               f"{reason} at the end of {first}:", dropped)
        expect(dropped[0].endswith("last event id '3'"), "the cursor:", dropped[0])
        cursors = [CURSOR.format(id) in request for request, id in zip(origin.requests, (0, 3, 5))]
        equal(cursors, [False, True, True], f"requests with the cursor around {first}")


def large(bench, certificates):
    """More than a record, a read and a socket hold, and nothing behind it that would wake a reader once more."""
    text = "".join(f"id: {number}\ndata: {number} {'x' * (number % 3000)}\n\n" for number in range(1, 3001))
    origin = Origin((HEAD + "\r\n" + text, "hold"), identity=certificates.server)
    follower = follow(bench, origin.url, certificates, "--max-events", "3000")
    follower.finishes()
    equal(follower.seen(), list(range(1, 3001)), "events")


def handshakes(bench, certificates):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"https://127.0.0.1:{silent.getsockname()[1]}/"
        follow(bench, url, certificates, *ONCE, "--tls-timeout", "200ms").refuses("tls: timed out in the TLS handshake")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(DEADLINE)
        follower = follow(bench, f"https://127.0.0.1:{silent.getsockname()[1]}/", certificates, "--tls-timeout", "60s")
        connection, _ = silent.accept()
        with connection:
            expect(connection.recv(1) != b"", "the handshake began")
            equal(follower.stop(), 0, "exit code at SIGTERM in the handshake")
    for answer, reason in ((b"HTTP/1.1 400 Bad Request\r\n\r\n", "wrong version number"), (b"", "TLS handshake failed")):
        url = f"https://127.0.0.1:{Plain(answer).port}/"
        follow(bench, url, certificates, *ONCE).refuses("tls: ", reason)


def redirects(bench, certificates):
    def to(origin):
        return f"HTTP/1.1 307 Temporary Redirect\r\nLocation: {origin.url}\r\nContent-Length: 0\r\n\r\n"
    stream = HEAD + "\r\n" + events(1, 1)
    plain, secure = Origin((stream, "hold")), Origin((stream, "hold"), identity=certificates.server)
    up = Origin((to(secure), "hold"))
    follow(bench, up.url, certificates, "--max-events", "1").finishes()
    down = Origin((to(plain), "hold"), identity=certificates.server)
    follow(bench, down.url, certificates, *ONCE).refuses("redirect", code=2)
    equal((len(secure.requests), len(plain.requests)), (1, 0), "requests behind redirects to https and to http")


# --- proxies ---


def proxy_tunnel(bench, certificates):
    rest = (HEAD + "\r\n" + events(3, 4), "cut"), (NO_CONTENT, "cut")
    proxy = ConnectProxy("user:p@ss word")
    credentials = "user:p%40ss%20word"
    secure = Origin((HEAD + "\r\n" + events(1, 2), "notify"), *rest, identity=certificates.named)
    plain = Origin((HEAD + "\r\n" + events(1, 2), "cut"), *rest)
    for scheme, origin in (("https", secure), ("http", plain)):
        proxy.requests.clear()
        target = f"origin.test:{origin.port}"  # a name that the proxy alone can look up
        follower = follow(bench, f"{scheme}://{target}/stream", certificates, "--proxy", proxy.url(credentials))
        follower.finishes()
        equal(follower.seen(), [1, 2, 3, 4], f"events over {scheme}")
        equal(proxy.targets(), [target] * 3, f"tunnels for {scheme}")
        equal([CURSOR.format(id) in request for request, id in zip(origin.requests, (0, 2, 4))], [False, True, True], "cursors")
        expect(all(f"\r\nHost: {target}\r\n" in request for request in origin.requests + proxy.requests), "hosts:", origin.requests)
        expect(not any("roxy" in request for request in origin.requests), "the proxy's credentials stay there:", origin.requests)


def proxy_failures(bench, certificates):
    proxy = ConnectProxy("user:pass")
    secure = Origin((HEAD + "\r\n", "hold"), identity=certificates.named)
    plain = Origin((HEAD + "\r\n", "hold"))
    for origin in (secure, plain):
        for credentials in ("", "user:wrong"):
            follow(bench, origin.url, certificates, *ONCE, "--proxy", proxy.url(credentials)).refuses("proxy: ", "407", code=2)
    follow(bench, secure.url, certificates, *ONCE, "--proxy", proxy.url()).refuses("tls: server certificate is for another host")
    # A proxy that is away is not gone around.
    for origin in (secure, plain):
        follow(bench, origin.url, certificates, *ONCE, "--proxy", f"http://127.0.0.1:{free_port()}").refuses("connect: ", "refused")
    equal((secure.requests, plain.requests), ([], []), "requests that came through")
    for value in ("https://127.0.0.1:1", "nonsense"):
        follow(bench, secure.url, certificates, "--proxy", value).refuses("--proxy", value, code=1)


def proxy_environment(bench, certificates):
    proxy = ConnectProxy("user:pass")
    origin = Origin((HEAD + "\r\n" + events(1, 1), "hold"), identity=certificates.server)
    local = f"https://localhost:{origin.port}/stream"
    environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    environment.update(HTTPS_PROXY=proxy.url(), NO_PROXY="localhost,example.test")

    def tunnels(url, *flags, **variables):
        proxy.requests.clear()
        follower = follow(bench, url, certificates, "--max-events", "1", *flags, environment={**environment, **variables})
        follower.finishes()
        equal(follower.seen(), [1], f"events with {flags} and {variables}")
        return proxy.targets()

    through = [f"127.0.0.1:{origin.port}"]
    equal(tunnels(origin.url, "--proxy-env"), through, "an address that is not in NO_PROXY")
    equal(tunnels(local, "--proxy-env"), [], "a name that is")
    equal(tunnels(local, "--proxy-env", NO_PROXY=""), [f"localhost:{origin.port}"], "no NO_PROXY")
    equal(tunnels(origin.url), [], "variables without --proxy-env")
    equal(tunnels(origin.url, "--proxy-env", HTTPS_PROXY="", ALL_PROXY=proxy.url()), through, "ALL_PROXY")
    plain = Origin((HEAD + "\r\n" + events(1, 1), "hold"))
    equal(tunnels(plain.url, "--proxy-env"), [], "HTTPS_PROXY for http")
    equal(tunnels(plain.url, "--proxy-env", HTTP_PROXY="http://127.0.0.1:1"), [], "HTTP_PROXY in upper case")
    equal(tunnels(plain.url, "--proxy-env", http_proxy=proxy.url()), [f"127.0.0.1:{plain.port}"], "http_proxy")


CHECKS = [openssl_verified, openssl_closes, openssl_restarts, refusals, trust, client_certificate, wrong_files, nginx_restarts,
          nginx_client_certificate, cuts, large, handshakes, redirects, proxy_tunnel, proxy_failures,
          proxy_environment]


def main(names):
    failed = []
    with tempfile.TemporaryDirectory(prefix="rejoin-tls-") as folder:
        certificates = Certificates(folder)
        for check in CHECKS:
            if names and check.__name__ not in names:
                continue
            print(f"{check.__name__}: ", end="", flush=True)
            if run(lambda bench, check=check: check(bench, certificates)) != 0:
                failed.append(check.__name__)
    if failed:
        print("FAILED:", *failed, file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
