"""Write what Python says of the page's cases: python tools/page/write_vectors.py.

The tests on either side fail when that side says something else: Python's in tests/page, TypeScript's in tests/.
"""

import json
import sys
from pathlib import Path

HERE = Path(__file__).parent
VECTORS = HERE / "vectors"


def main() -> None:
    import folder_cases
    import pixel_cases
    import statistics_cases
    import word_cases

    statistics = json.loads(json.dumps(statistics_cases.written(), allow_nan=False))
    cases = ",\n".join(map(json.dumps, statistics))
    (VECTORS / "statistics.json").write_text(f"[\n{cases}\n]\n")
    images = pixel_cases.written()
    files = ",\n".join(json.dumps(one) for one in images["files"])  # type: ignore[attr-defined]
    (VECTORS / "images.json").write_text(f'{{"specs": {json.dumps(images["specs"])},\n"files": [\n{files}\n]}}\n')
    folders = ",\n".join(map(json.dumps, folder_cases.written()))
    (VECTORS / "folders.json").write_text(f"[\n{folders}\n]\n")
    words = word_cases.written(statistics)
    (VECTORS / "words.json").write_text(json.dumps(words, ensure_ascii=False, indent=0) + "\n")


if __name__ == "__main__":
    sys.path.insert(0, str(HERE))
    main()
