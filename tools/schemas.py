"""Write the JSON Schemas of all results into the package, from their types; run it after a result was changed.

python tools/schemas.py
"""

import json
from pathlib import Path

from onnxmint.results.schema import PUBLISHED, json_schema

FOLDER = Path(__file__).parents[1] / "onnxmint" / "results" / "schemas"


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name, document in PUBLISHED.items():
        path = FOLDER / f"{name}.json"
        path.write_text(json.dumps(json_schema(document), indent=1) + "\n")
        print(path.relative_to(FOLDER.parents[2]))


if __name__ == "__main__":
    main()
