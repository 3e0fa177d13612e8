"""Checkpoints that tell when they are damaged, and whose they are: the comment of their ZIP archive is the fingerprint
of the run, and a digest of all before it.

Torch writes ZIP archives without a comment, and reads those that have one; a flipped bit it does not notice.
"""

import hashlib

END = b"PK\x05\x06"
"""What the last record of an archive begins with: 22 bytes, of which the last two are the length of the comment."""
DIGEST = hashlib.sha256().digest_size


def sealed(archive: bytes, owner: str = "") -> bytes:
    """An archive of torch's with its comment; `owner` is the fingerprint of the run, if it is one run's."""
    assert archive[-22:-18] == END
    name = owner.encode()
    whole = archive[:-2] + (len(name) + DIGEST).to_bytes(2, "little") + name
    return whole + hashlib.sha256(whole).digest()


def damage(content: bytes) -> str:
    """Why it is not what was sealed, in words; empty: it is."""
    start = _end(content)
    if start < 0 or start + 22 + int.from_bytes(content[start + 20 : start + 22], "little") != len(content):
        return "it is cut short or no checkpoint"
    if hashlib.sha256(content[:-DIGEST]).digest() != content[-DIGEST:]:
        return "it is damaged: these bytes were not written"
    return ""


def owner(content: bytes) -> str:
    """The fingerprint of the run whose checkpoint it is; empty where it is not one run's. It is not damaged."""
    return content[_end(content) + 22 : -DIGEST].decode()


def _end(content: bytes) -> int:
    """Where the last record begins; the digest may hold anything."""
    return content.rfind(END, 0, len(content) - DIGEST)
