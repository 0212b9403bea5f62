"""What may be shown of a URL: manifests, logs and errors name a remote file, and never what gives access to it."""

import re
import urllib.parse

from pipelines.manifest import digest_of

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
# Renewed with every link to the same file, hence no part of its name.
_RENEWED = re.compile(
    r"^x-(amz|goog|oss|cos|ms)-|token|secret|passw|signature|credential|^(sig|jwt|auth|authorization|pwd)$|api[-_]?key",
    re.IGNORECASE,
)
# What comes with a signature (CloudFront and older S3; Azure), and means something else without one.
_COMPANIONS = {
    "signature": {"expires", "policy", "key-pair-id", "awsaccesskeyid", "googleaccessid"},
    "sig": {"sv", "ss", "srt", "sp", "se", "st", "spr", "sip", "sr", "skoid", "sktid", "skt", "ske", "sks", "skv"},
}
# May be a key to the door or the name of the file: a digest tells files apart and gives nothing away.
_UNCLEAR = re.compile(r"^(key|pass|pw|code|hash|md5|hmac|sid|session(id)?)$", re.IGNORECASE)
_LOOKS_RANDOM = re.compile(r"(?!.*\.\w{2,4}$)[\w+/=.~-]{24,}")


def scheme_of(url: str) -> str:
    """Lower case; empty where it is a path."""
    return url.partition("://")[0].lower() if _URL.match(url) else ""


def without_credentials(url: str) -> str:
    """The URL without user and password, signatures, tokens and fragment; the same string where it has none.

    Links to one file that differ in their credentials alone come to the same; a parameter of unknown meaning that looks
    like a secret is replaced by a digest. What is no usable URL, and might hide anything, is replaced as a whole.
    """
    try:
        parts = urllib.parse.urlsplit(url)
    except ValueError:
        return f"unusable://{digest_of(url)}"
    if not _URL.match(url):
        return f"unusable://{digest_of(url)}"
    web = scheme_of(url) in ("http", "https")
    user, at, host = parts.netloc.rpartition("@")
    # Azure writes container@account, which is no secret.
    netloc = host if at and (web or ":" in user) else parts.netloc
    if not web:
        return url if netloc == parts.netloc else url.replace(parts.netloc, netloc, 1)
    query = _shown(parts.query)
    if (netloc, query, parts.fragment) == (parts.netloc, parts.query, ""):
        return url
    return urllib.parse.urlunsplit((parts.scheme, netloc, parts.path, query, ""))


def _shown(query: str) -> str:
    pairs = urllib.parse.parse_qsl(query, keep_blank_values=True)
    names = {name.lower() for name, _ in pairs}
    companions = set().union(*(_COMPANIONS[name] for name in names & _COMPANIONS.keys()))
    shown = [
        (name, digest_of(value)[:8] if _UNCLEAR.match(name) or _LOOKS_RANDOM.fullmatch(value) else value)
        for name, value in pairs
        if not _RENEWED.search(name) and name.lower() not in companions
    ]
    return query if shown == pairs else urllib.parse.urlencode(shown)
