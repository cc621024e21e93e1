"""Makes atelier_pb2.py, its types and atelier_pb2_grpc.py from atelier.proto, beside it or in another folder.

    python -m services.protos.generate [folder]

What it makes is committed, and a test compares. A build step would compile in an environment of its own, with
whichever protobuf is the newest that day, which the pinned one at run time may refuse to load; and nothing would be
there for a program that runs from a clone, or from the folder that `ray job submit` uploads.
"""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
SOURCE = HERE / "atelier.proto"


def generate(root: Path = ROOT) -> None:
    """Write below `root`, in services/protos as the imports have it. Raises RuntimeError where protoc refuses."""
    import grpc_tools
    from grpc_tools import protoc

    known = Path(grpc_tools.__file__).parent / "_proto"  # google/protobuf/*.proto
    outputs = [f"--{kind}_out={root}" for kind in ("python", "pyi", "grpc_python")]
    failed = protoc.main(["protoc", f"-I{ROOT}", f"-I{known}", *outputs, str(SOURCE.relative_to(ROOT))])
    if failed:
        raise RuntimeError(f"protoc refuses {SOURCE}; it says why above")


if __name__ == "__main__":
    generate(*map(Path, sys.argv[1:2]))
