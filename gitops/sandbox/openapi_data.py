"""Makes `openapi.json.xz`, the descriptions that /openapi and tables answer, from a server's OpenAPI v2 document.

    python -m gitops.sandbox.openapi_data OPENAPI_V2.json.gz

Nothing here runs in the product.
"""

import gzip
import json
import lzma
import sys
from pathlib import Path

OUTPUT = Path(__file__).with_name("openapi.json.xz")


def main(arguments: list[str]) -> None:
    """Writes the data file beside this module."""
    document = json.loads(gzip.decompress(Path(arguments[0]).read_bytes()))
    data = {"info": document["info"], "definitions": document["definitions"]}
    text = json.dumps(data, separators=(",", ":")).encode()
    OUTPUT.write_bytes(lzma.compress(text, preset=9 | lzma.PRESET_EXTREME))


if __name__ == "__main__":
    main(sys.argv[1:])
