#!/usr/bin/env python3
"""Leases as an independent JOSE library sees them.

usage: verify.py TEGATA [PLACE…]

TEGATA is the path of the `tegata` binary; PLACE its arguments for an empty place, such as
`--stack NAME`, instead of a new local directory. Issues licences with the CLI, exports the JWKS, and checks with PyJWT that the leases verify and
that everything forged is refused.
"""

import base64
import hashlib
import hmac
import json
import pathlib
import subprocess
import sys
import tempfile
from datetime import timedelta

import jwt

ISSUER = "https://license.example.com"
PRODUCTS = f"""
issuer = "{ISSUER}"
[products.sheet]
name = {{ ja = "シート", en = "Sheet" }}
[products.gantt]
name = {{ ja = "ガント", en = "Gantt" }}
"""


class Tegata:
    def __init__(self, binary, place, directory):
        self.command = [binary, *(place or [f"--local={directory}/place"])]
        self.directory = pathlib.Path(directory)

    def __call__(self, *arguments):
        done = subprocess.run(
            [*self.command, *arguments, "--output", "json"],
            check=True,
            stdout=subprocess.PIPE,
        )
        return json.loads(done.stdout) if done.stdout else None

    def lease(self, domain, product):
        return self("license", "show", domain, product, "--lease")["lease"]["jws"]

    def jwks(self):
        """The JWKS as `tegata key export` writes it."""
        file = self.directory / "jwks.json"
        subprocess.run([*self.command, "key", "export", "--file", str(file)], check=True)
        return jwt.PyJWKSet.from_json(file.read_text())


def verify(lease, jwks, product="sheet", domain="example.cybozu.com", leeway=timedelta(0)):
    """What a plug-in has to check of a lease."""
    header = jwt.get_unverified_header(lease)
    if header.get("typ") != "license+jwt":
        raise jwt.InvalidTokenError("typ")
    key = jwks[header["kid"]]
    return jwt.decode(
        lease,
        key,
        algorithms=["ES256"],
        audience=product,
        subject=domain,
        issuer=ISSUER,
        leeway=leeway,
        options={"require": ["iss", "aud", "sub", "iat", "nbf", "exp", "jti"]},
    )


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def with_header(lease, **changes):
    header, payload, signature = lease.split(".")
    header = json.loads(unb64(header)) | changes
    return ".".join([b64(json.dumps(header).encode()), payload, signature])


def bytes_changed(lease):
    """The lease with one byte changed, for every byte of its three parts."""
    parts = [unb64(part) for part in lease.split(".")]
    for number, part in enumerate(parts):
        for position in range(len(part)):
            changed = bytearray(part)
            changed[position] ^= 1
            yield ".".join(b64(changed if n == number else p) for n, p in enumerate(parts))


def main():
    passed = failed = 0

    def check(name, holds):
        nonlocal passed, failed
        print(f"{'ok    ' if holds else 'FAILED'}  {name}")
        passed, failed = passed + holds, failed + (not holds)

    def refused(lease, jwks, **asked):
        try:
            verify(lease, jwks, **asked)
        except (jwt.PyJWTError, KeyError, ValueError):
            return True
        return False

    with tempfile.TemporaryDirectory() as directory:
        tegata = Tegata(sys.argv[1], sys.argv[2:], directory)
        tegata("key", "create")
        products = pathlib.Path(directory) / "products.toml"
        products.write_text(PRODUCTS)
        tegata("product", "apply", str(products))
        for domain, product, more in [
            ("example.cybozu.com", "sheet", ()),
            ("other.cybozu.com", "sheet", ()),
            ("example.cybozu.com", "gantt", ()),
            ("late.cybozu.com", "sheet", ("--usable-from", "2020-01-01")),
            ("early.cybozu.com", "sheet", ("--usable-from", "2090-01-01")),
        ]:
            arguments = ["--trial", "30", "--users", "5", *more]
            tegata("license", "issue", domain, product, *arguments)
        jwks = tegata.jwks()
        lease = tegata.lease("example.cybozu.com", "sheet")

        header = jwt.get_unverified_header(lease)
        check("the header is ES256, license+jwt, kid", header == {
            "alg": "ES256", "typ": "license+jwt", "kid": jwks.keys[0].key_id,
        })
        claims = verify(lease, jwks)
        shown = tegata("license", "show", "example.cybozu.com", "sheet")
        check("the claims say what the licence says", all(
            claims[name] == shown[name] for name in ["kind", "edition", "users", "term", "quotas"]
        ))
        check("it has no code", "code" not in claims)
        check("it lasts 14 days", claims["exp"] - claims["iat"] == 14 * 86400)

        forged = list(bytes_changed(lease))
        check(f"one byte changed ({len(forged)} times)", all(refused(f, jwks) for f in forged))
        check("another domain's", refused(tegata.lease("other.cybozu.com", "sheet"), jwks))
        check("another product's", refused(tegata.lease("example.cybozu.com", "gantt"), jwks))
        check("an expired licence's", refused(tegata.lease("late.cybozu.com", "sheet"), jwks,
                                              domain="late.cybozu.com"))
        check("one that has not started", refused(tegata.lease("early.cybozu.com", "sheet"), jwks,
                                                  domain="early.cybozu.com"))
        unsigned = with_header(lease, alg="none").rsplit(".", 1)[0] + "."
        check("alg none", refused(unsigned, jwks))
        check("alg none with the old signature", refused(with_header(lease, alg="none"), jwks))
        # PyJWT itself refuses to sign this way: by hand, with the published file as the secret.
        secret = (pathlib.Path(directory) / "jwks.json").read_bytes()
        message = with_header(lease, alg="HS256").rsplit(".", 1)[0]
        mac = hmac.new(secret, message.encode(), hashlib.sha256).digest()
        confused = f"{message}.{b64(mac)}"
        check("HS256 with the public key as secret", refused(confused, jwks))
        check("another typ", refused(with_header(lease, typ="JWT"), jwks))
        check("an unknown kid", refused(with_header(lease, kid="unknown"), jwks))
        crossed = ".".join([*lease.split(".")[:2],
                            tegata.lease("other.cybozu.com", "sheet").split(".")[2]])
        check("another lease's signature", refused(crossed, jwks))

        # Rotation: at every step every lease in use verifies with the published keys.
        tegata("key", "create")
        check("with the next key published", not refused(lease, tegata.jwks()))
        tegata("key", "rotate")
        tegata("license", "change", "example.cybozu.com", "sheet", "--users", "6")
        newer = tegata.lease("example.cybozu.com", "sheet")
        both = tegata.jwks()
        second = timedelta(seconds=1)  # iat moves on by a second if it must to be newer
        check("the old lease after the rotation", not refused(lease, both))
        check("the new lease after the rotation", not refused(newer, both, leeway=second))
        check("the new lease by the old keys", refused(newer, jwks))
        newer_claims = verify(newer, both, leeway=second)
        check("the new lease is newer", newer_claims["iat"] > claims["iat"])

    print(f"\n{passed} passed, {failed} failed")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
