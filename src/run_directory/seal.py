"""Checkpoints that tell when they are damaged: the comment of their ZIP archive is a digest of all that is before it.

Torch writes ZIP archives without a comment, and reads those that have one; a flipped bit it does not notice.
"""

import hashlib

END = b"PK\x05\x06"
"""What the last record of an archive begins with: 22 bytes, of which the last two are the length of the comment."""
LENGTH = hashlib.sha256().digest_size


def sealed(archive: bytes) -> bytes:
    """An archive of torch's with the digest as its comment."""
    assert archive[-22:-18] == END
    whole = archive[:-2] + LENGTH.to_bytes(2, "little")
    return whole + hashlib.sha256(whole).digest()


def damage(content: bytes) -> str:
    """Why it is not what was sealed, in words; empty: it is."""
    end, digest = content[-22 - LENGTH : -LENGTH], content[-LENGTH:]
    if end[:4] != END or int.from_bytes(end[-2:], "little") != LENGTH:
        return "it is cut short or no checkpoint"
    return "" if hashlib.sha256(content[:-LENGTH]).digest() == digest else "it is damaged: these bytes were not written"
