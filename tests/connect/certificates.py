"""Certificates of made-up authorities."""

from __future__ import annotations

import subprocess
from pathlib import Path

USER, KEY_PASSWORD = "gardener", "s3cret-water"


def make_certificates(folder: Path) -> None:
    """Of the authority ca.pem: server.pem and server.key for localhost, client.pem with its key, which locked.key is too, with a password. Beside it
    other-ca.pem, an authority that has nothing to do with them."""
    new_key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    for name in ("ca", "other-ca"):
        run_in(folder, "openssl", "req", "-x509", *new_key, "-keyout", f"{name}.key", "-out", f"{name}.pem", "-subj", f"/CN={name}")
    for name, subject in (("server", "localhost"), ("client", USER)):
        run_in(folder, "openssl", "req", *new_key[:5], "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={subject}")
        (folder / "names").write_text(f"subjectAltName=DNS:{subject}\n")
        authority = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2"]
        run_in(folder, "openssl", "x509", "-req", "-in", f"{name}.csr", *authority, "-extfile", "names", "-out", f"{name}.pem")
    (folder / "client.pem").write_text((folder / "client.pem").read_text() + (folder / "client.key").read_text())
    run_in(folder, "openssl", "ec", "-aes256", "-passout", f"pass:{KEY_PASSWORD}", "-in", "client.key", "-out", "locked.key")


def run_in(folder: Path, *command: str) -> None:
    """Run a command in the folder."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stderr}"
