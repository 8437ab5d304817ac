"""Certificates made by the openssl program when a test wants them; no key outlives the test's folder."""

import collections
import datetime
import os
import subprocess

from harness import expect

Identity = collections.namedtuple("Identity", "certificate key")  # paths of PEM files

CONFIG = """
[ca]
default_ca = authority
[authority]
database = {folder}/index.txt
new_certs_dir = {folder}/issued
serial = {folder}/serial
default_md = sha256
policy = any
unique_subject = no
copy_extensions = copy
[any]
commonName = supplied
[req]
distinguished_name = name
[name]
"""


def openssl(*arguments):
    result = subprocess.run(["openssl", *arguments], stdin=subprocess.DEVNULL, capture_output=True, timeout=30, check=False)
    expect(result.returncode == 0, f"openssl {' '.join(arguments)}:", result.stderr.decode(errors="replace"))


def day(offset):
    return (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=offset)).strftime("%y%m%d%H%M%SZ")


class Authority:
    """A root certificate (`.file`) and what it has signed, in a folder of its own."""

    def __init__(self, parent, name):
        self.folder = os.path.join(parent, name)
        os.makedirs(os.path.join(self.folder, "issued"))
        self.config = self._path("openssl.cnf")
        with open(self.config, "w") as out:
            out.write(CONFIG.format(folder=self.folder))
        for name_of_state, content in (("index.txt", ""), ("serial", "01\n")):
            with open(self._path(name_of_state), "w") as out:
                out.write(content)
        root = self.self_signed(name, ("basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign,cRLSign"))
        self.file, self.key = root

    def _path(self, name):
        return os.path.join(self.folder, name)

    def _request(self, name, *arguments):
        openssl("req", "-config", self.config, "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-sha256",
                "-subj", f"/CN={name}", "-keyout", self._path(f"{name}.key"), *arguments)

    def self_signed(self, name, extensions=()):
        """One that nobody vouches for."""
        added = [word for extension in extensions for word in ("-addext", extension)]
        made = Identity(self._path(f"{name}.pem"), self._path(f"{name}.key"))
        self._request(name, "-x509", "-days", "10", *added, "-out", made.certificate)
        return made

    def issue(self, name, alternative_names, from_day=-1, to_day=10):
        """`alternative_names` as openssl writes them: "DNS:localhost,IP:127.0.0.1"."""
        made = Identity(self._path(f"{name}.pem"), self._path(f"{name}.key"))
        request = self._path(f"{name}.csr")
        self._request(name, "-new", "-addext", f"subjectAltName={alternative_names}",
                      "-addext", "basicConstraints=critical,CA:FALSE", "-out", request)
        # `openssl ca` takes both dates in every version; of the others some can't date a certificate back.
        openssl("ca", "-config", self.config, "-batch", "-notext", "-cert", self.file, "-keyfile", self.key,
                "-startdate", day(from_day), "-enddate", day(to_day), "-in", request, "-out", made.certificate)
        return made


class Certificates:
    """What the checks have in common."""

    def __init__(self, folder):
        authority = Authority(folder, "authority")
        stranger = Authority(folder, "stranger")
        self.ca = authority.file
        self.other_ca = stranger.file
        self.server = authority.issue("server", "DNS:localhost,IP:127.0.0.1")
        self.named = authority.issue("named", "DNS:origin.test")
        self.expired = authority.issue("expired", "DNS:localhost,IP:127.0.0.1", from_day=-20, to_day=-10)
        self.self_signed = authority.self_signed("self-signed", ("subjectAltName=DNS:localhost,IP:127.0.0.1",))
        self.client = authority.issue("client", "DNS:client.test")
        self.foreign_client = stranger.issue("client", "DNS:client.test")
