"""nginx as the server of TLS: before a hub by nchan, and for clients with certificates."""

import contextlib
import http.client
import json
import os
import signal
import socket

from harness import equal, expect, wait_until
from tls_peers import DEADLINE, Follower, free_port

MAIN = """
{load}
{user}
daemon off;
worker_processes 1;
pid {scratch}/{name}.pid;
error_log stderr warn;
events {{ worker_connections 256; }}
http {{
    log_format tls '$ssl_protocol $ssl_server_name $ssl_alpn_protocol $server_protocol $http_last_event_id';
    access_log off;
    client_body_temp_path {scratch}/body;
    proxy_temp_path {scratch}/proxy;
    fastcgi_temp_path {scratch}/fastcgi;
    uwsgi_temp_path {scratch}/uwsgi;
    scgi_temp_path {scratch}/scgi;
    server {{ {server} }}
}}
"""

HUB = """
        listen unix:{scratch}/hub.sock;
        location = /sub {{
            nchan_subscriber eventsource;
            nchan_channel_id numbers;
            nchan_subscriber_first_message oldest;
        }}
        location = /pub {{
            nchan_publisher;
            nchan_channel_id numbers;
            nchan_message_buffer_length 1000;
            nchan_message_timeout 10m;
        }}
"""

SECURE = """
        listen 127.0.0.1:{port} ssl http2;
        ssl_certificate {identity.certificate};
        ssl_certificate_key {identity.key};
        ssl_protocols TLSv1.2 TLSv1.3;
"""

FRONT = SECURE + """
        access_log {scratch}/front.access tls;
        location / {{
            proxy_pass http://unix:{scratch}/hub.sock;
            proxy_http_version 1.1;
            proxy_buffering off;
        }}
"""

MEMBERS_ONLY = SECURE + """
        ssl_verify_client on;
        ssl_client_certificate {ca};
        location / {{
            default_type text/event-stream;
            return 200 "data: $ssl_client_s_dn\\n\\n";
        }}
"""


class Nginx:
    """A configuration that can be started more than once."""

    def __init__(self, bench, name, server, load="", **values):
        self.bench = bench
        self.config = os.path.join(bench.scratch, name + ".conf")
        self.port = values.get("port")
        self.socket = os.path.join(bench.scratch, name + ".sock")
        self.program = None
        values.update(scratch=bench.scratch)
        with open(self.config, "w") as out:
            out.write(MAIN.format(scratch=bench.scratch, name=name, load=load, server=server.format(**values),
                                  user="user root;" if os.geteuid() == 0 else ""))

    def start(self):
        self.program = self.bench.foreign("/usr/sbin/nginx", "-p", self.bench.scratch, "-e", "stderr", "-c", self.config,
                                          ending=signal.SIGTERM)
        wait_until(self._listens, DEADLINE, f"nginx listens: {self.program.errors()}")

    def _listens(self):
        expect(self.program.process.poll() is None, "nginx runs:", self.program.errors())
        if not self.port:
            return os.path.exists(self.socket)
        with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", self.port), DEADLINE):
            return True

    def stop(self):
        self.program.stop()


class Publisher:
    """Publishes numbers at the hub's socket."""

    def __init__(self, path):
        self.connection = http.client.HTTPConnection("hub", timeout=DEADLINE)
        self.connection.sock = socket.socket(socket.AF_UNIX)
        self.connection.sock.settimeout(DEADLINE)
        self.connection.sock.connect(path)

    def __call__(self, first, last):
        for number in range(first, last + 1):
            self.connection.request("POST", "/pub", str(number), {"Content-Type": "text/plain"})
            answer = self.connection.getresponse()
            answer.read()
            expect(answer.status in (201, 202), "nchan's answer to a publication:", answer.status)


def nginx_restarts(bench, certificates):
    hub = Nginx(bench, "hub", HUB, "load_module /usr/lib/nginx/modules/ngx_nchan_module.so;")
    front = Nginx(bench, "front", FRONT, port=free_port(), identity=certificates.server)
    hub.start()
    front.start()
    publish = Publisher(hub.socket)
    follower = Follower(bench, f"https://localhost:{front.port}/sub", "--cacert", certificates.ca, "--max-events", "40")
    publish(1, 20)
    follower.has(20)
    front.stop()
    follower.until(lambda self: "failed: connect: " in self.errors(), "it noticed that nginx is away")
    publish(21, 30)
    front.start()
    follower.has(30)
    publish(31, 40)
    follower.finishes()
    equal(follower.seen(), list(range(1, 41)), "messages, some of them from while nginx was away")
    said = follower.errors()
    expect("dropped: truncated" in said or "dropped: reset" in said, "the end of the first response:", said)
    equal(said.count("opened: 200"), 2, "responses")
    access = os.path.join(bench.scratch, "front.access")
    wait_until(lambda: os.path.getsize(access) > 0, DEADLINE, "nginx logged the second request")
    with open(access) as log:
        last = log.read().splitlines()[-1]
    cursor = json.loads(follower.output().splitlines()[19])["last_event_id"]
    equal(last, f"TLSv1.3 localhost http/1.1 HTTP/1.1 {cursor}", "version, name, protocols and cursor of the second request")


def nginx_client_certificate(bench, certificates):
    server = Nginx(bench, "members", MEMBERS_ONLY, port=free_port(), identity=certificates.server, ca=certificates.ca)
    server.start()
    arguments = f"https://127.0.0.1:{server.port}/", "--cacert", certificates.ca, "--quiet"
    member = Follower(bench, *arguments, "--max-events", "1", "--cert", certificates.client.certificate,
                      "--key", certificates.client.key)
    equal(member.finishes(), "", "nothing on stderr")
    equal(json.loads(member.output())["data"], "CN=client", "the client that nginx saw")
    foreign = certificates.foreign_client
    for flags in ((), ("--cert", foreign.certificate, "--key", foreign.key)):
        Follower(bench, *arguments, *flags).refuses("response: ", "400 Bad Request", code=2)
