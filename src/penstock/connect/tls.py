"""TLS from files in PEM: the authorities to trust, our own certificate and its key."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from penstock.errors import ConfigError

CONVERT = "Convert a Java key store: keytool -importkeystore -deststoretype PKCS12 ..., then openssl pkcs12 -in FILE -nodes -out FILE.pem"


def client_context(
    options: Mapping[str, Any], *, authorities: str, certificate: str, key: str | None, unlocked_by: str, check_hostname: bool
) -> ssl.SSLContext:
    """A context that trusts the authorities of a file, or where there is none those of the system. The arguments are names of options: those of
    files hold paths or None, `unlocked_by` the key's password. Without `key` the certificate's file holds the key too. Raises ConfigError for
    files that will not do."""

    def pem(name: str) -> str | None:
        path: Path | None = options[name]
        if path is None:
            return None
        try:
            text = path.read_text(encoding="ascii", errors="replace")
        except OSError as error:
            raise ConfigError(f"'{name}' names a file that cannot be read: {error.strerror}.") from error
        if "-----BEGIN" not in text:
            raise ConfigError(f"'{name}' names a file that is not PEM.", mend=CONVERT)
        return text

    trusted = pem(authorities)
    try:
        context = ssl.create_default_context(cadata=trusted)
    except ssl.SSLError as error:
        raise ConfigError(f"The certificates of '{authorities}' cannot be used: {error.reason or error}.") from None
    if pem(certificate):
        own_key = options[key] if key is not None and pem(key) else None
        try:
            # Without a password a key that has one must fail, not ask at the terminal.
            context.load_cert_chain(options[certificate], own_key, options[unlocked_by] or "")
        except ssl.SSLError as error:
            raise ConfigError(f"The certificate of '{certificate}' cannot be used with its key: {error.reason or error}.") from None
    context.check_hostname = check_hostname
    return context
