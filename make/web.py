"""Brings the explorer's JavaScript library into `tools/web/vendor`, from its npm package.

    python make/web.py          # fetch the version below, check its digest, write its files
    python make/web.py --check  # only check that the files there are those

`npm pack` fetches the package, and nothing of it is executed. A new version: change VERSION and
INTEGRITY (`npm view @dagrejs/dagre@VERSION dist.integrity`), run this, run the browser tests.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import io
import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

PACKAGE = "@dagrejs/dagre"
VERSION = "3.1.3"
INTEGRITY = (
    "sha512-X4aUTwOReZvthaZWOVHqlJ52/ZdhZFEM4+Lh/uR4XooU"
    "SLE6p71bcy7MPGzYnNUcNh+nj+i/qJQpCMIdQnSmrg=="
)
# Files of the package, and what they are called here.
FILES = {
    "package/dist/dagre.min.js": "dagre.min.js",
    "package/dist/dagre.min.js.LEGAL.txt": "dagre.LEGAL.txt",
    "package/LICENSE": "dagre.LICENSE.txt",
}
VENDOR = Path(__file__).resolve().parent.parent / "tools" / "web" / "vendor"
LIST = VENDOR / "vendor.json"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="fetch and write nothing")
    if parser.parse_args().check:
        return check()
    files = unpack(fetch())
    VENDOR.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (VENDOR / name).write_bytes(data)
    LIST.write_text(json.dumps(described(files), indent=2) + "\n")
    print(f"{PACKAGE} {VERSION} in {VENDOR}")
    return 0


def fetch() -> bytes:
    """The package's archive, whose digest is the one stated here."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["npm", "pack", "--silent", "--pack-destination", folder, f"{PACKAGE}@{VERSION}"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        (archive,) = Path(folder).glob("*.tgz")
        data = archive.read_bytes()
    kind, _, wanted = INTEGRITY.partition("-")
    got = base64.b64encode(hashlib.new(kind, data).digest()).decode()
    if got != wanted:
        raise SystemExit(f"{PACKAGE} {VERSION}: the digest is {kind}-{got}, not {INTEGRITY}")
    return data


def unpack(archive: bytes) -> dict[str, bytes]:
    out = {}
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        for name, ours in FILES.items():
            member = tar.extractfile(name)
            assert member is not None, name
            out[ours] = member.read()
    return out


def described(files: dict[str, bytes]) -> dict[str, object]:
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in sorted(files.items())}
    return {
        "package": PACKAGE,
        "version": VERSION,
        "license": "MIT",
        "integrity": INTEGRITY,
        "sha256": digests,
    }


def check() -> int:
    """Whether the files are those that were written."""
    files = {name: (VENDOR / name).read_bytes() for name in FILES.values()}
    if json.loads(LIST.read_text()) != described(files):
        print("tools/web/vendor is not what make/web.py writes; run `make web`", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
